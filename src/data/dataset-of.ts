// From a source of samples to the data set that everybody else sees.
import { InputError, orCancelled, throwIfCancelled } from '../base/index.ts'
import type { Dataset, InputSpec, Label } from './dataset.ts'
import { fillingFor } from './fill-inputs.ts'
import { fixedBatchOf } from './fixed-batch.ts'
import type { GivenShapes } from './input-shape.ts'
import type { Source } from './source.ts'

/** A data set from a source: inputs that it does not feed are filled, and every sample is checked. */
export function datasetOf(
  source: Source,
  options: { readonly inputs: readonly InputSpec[]; readonly shapes?: GivenShapes | undefined },
): Dataset {
  const filling = fillingFor(options.inputs, source.fed, options.shapes)
  const { name, size, hasLabels, classes, classNames, preprocess } = source
  return {
    name,
    size,
    hasLabels,
    ...(classes !== undefined && { classes }),
    ...(classNames && { classNames }),
    ...(preprocess && { preprocess }),
    get notes() {
      return [...source.notes(), ...filling.notes]
    },
    id: source.id,
    sample: async (index, signal) => {
      throwIfCancelled(signal)
      if (!(Number.isInteger(index) && index >= 0 && index < size))
        throw new InputError(`there is no sample ${index} in ${name}; it has ${size}`)
      const { values, label } = await orCancelled(source.read(index), signal)
      throwIfCancelled(signal)
      const id = source.id(index)
      if (label !== undefined) checkLabel(label, classes, id, name)
      const filled = filling.fill(values)
      const fixed = fixedBatchOf(options.inputs, filled)
      return { id, inputs: filled, ...(label !== undefined && { label }), ...(fixed && { fixed }) }
    },
  }
}

function checkLabel(label: Label, classes: number | undefined, id: string, name: string): void {
  const wrong = [label].flat().find((each) => each < -1 || (classes !== undefined && each >= classes))
  if (wrong !== undefined)
    throw new InputError(
      `sample "${id}" of ${name} has the label ${wrong}, which is not a class number${classes === undefined ? '' : ` of 0 to ${classes - 1}`}`,
    )
}
