// How large an output is at least, where constants alone decide it: a few bytes of a file can ask for terabytes.
import { sizeOf } from '../../base/index.ts'
import { intsAttribute } from '../attributes.ts'
import { byteLengthOf, type DType } from '../dtype.ts'
import type { Node } from '../model.ts'
import type { Constants } from './facts.ts'

type SizeRule = (node: Node, constants: Constants) => number | undefined

const product = (numbers: readonly number[] | undefined) => numbers && sizeOf(numbers)
const fromInput =
  (index: number): SizeRule =>
  (node, constants) =>
    product(constants(node.inputs[index])?.numbers())
const fromShape: SizeRule = (node) => product(intsAttribute(node, 'shape'))

/** Elements of the first output at least; an input that is not known is taken for one element. */
const rules: Readonly<Record<string, SizeRule>> = {
  ConstantOfShape: fromInput(0),
  Expand: fromInput(1),
  Tile: (node, constants) => {
    const copies = product(constants(node.inputs[1])?.numbers())
    return copies && copies * (constants(node.inputs[0])?.size ?? 1)
  },
  Range: (node, constants) => {
    const [start, limit, step] = node.inputs.map((input) => constants(input)?.numbers()[0])
    if (start === undefined || limit === undefined || step === undefined) return undefined
    return Math.ceil((limit - start) / step)
  },
  Resize: fromInput(3),
  Pad: (node, constants) => {
    const pads = constants(node.inputs[1])?.numbers() ?? intsAttribute(node, 'pads')
    const rank = (pads?.length ?? 0) / 2
    return product(pads?.slice(0, rank).map((begin, axis) => Math.max(begin + (pads[axis + rank] ?? 0), 1)))
  },
  RandomNormal: fromShape,
  RandomUniform: fromShape,
}

/** Bytes that the first output of a node has at least, or undefined where constants alone do not say. */
export function leastBytes(node: Node, constants: Constants, dtype: DType = 'uint8'): number | undefined {
  const known = node.domain === '' && Object.hasOwn(rules, node.opType) ? rules[node.opType] : undefined
  const elements = known?.(node, constants)
  return elements === undefined || !(elements >= 0) ? undefined : byteLengthOf(dtype, elements)
}
