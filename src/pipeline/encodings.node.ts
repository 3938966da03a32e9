// AIMET's encodings from a file, and a quantisation's own beside its model.
import { join, parse } from 'node:path'
import { InputError, UsageError } from '../base/index.ts'
import { writeFileAtomic, writeModelFile } from '../onnx/index.node.ts'
import { type EncodedModel, type Encodings, readEncodings, writeEncodings } from '../quantize/index.ts'
import type { QuantizeRecipe } from '../recipe/index.ts'
import { checkOutput } from './output.node.ts'
import type { WrittenEncodings } from './quantize/run.ts'
import { readJson } from './run-folder.node.ts'

/** The encodings that a recipe takes its grids from. @throws InputError, UsageError when statistics are named too */
export async function givenEncodings({ encodingsFrom, statistics }: QuantizeRecipe): Promise<Encodings | undefined> {
  if (encodingsFrom === undefined) return undefined
  if (statistics !== undefined)
    throw new UsageError('--encodings-from and --statistics both say which grids there are: give one of them')
  if (typeof encodingsFrom !== 'string') return readEncodings(encodingsFrom, 'the recipe')
  const json = await readJson(encodingsFrom)
  if (json === undefined)
    throw new InputError(`cannot read the encodings ${encodingsFrom}: the file is missing, or not JSON`, {
      file: encodingsFrom,
    })
  return readEncodings(json, encodingsFrom)
}

/** `folder/name.encodings.json` and `folder/name.encodings.onnx` beside `folder/name.onnx`. */
function besideOf(output: string): WrittenEncodings {
  const { dir, name } = parse(output)
  const stem = join(dir, `${name}.encodings`)
  return { file: `${stem}.json`, model: `${stem}.onnx` }
}

/**
 * Writes the encodings of a recipe's model and the float model that they are of.
 * @param asGiven gives the float model the inputs and outputs of the model that came
 * @returns undefined where the recipe asks for none
 * @throws UsageError, before the work, when a file could not be written
 */
export function encodingsWriter(
  { encodings: form, encodingsFrom, model: given }: QuantizeRecipe,
  output: string,
): ((encoded: EncodedModel) => Promise<WrittenEncodings>) | undefined {
  if (form === undefined) return undefined
  const paths = besideOf(output)
  const inputs = [given, ...(typeof encodingsFrom === 'string' ? [encodingsFrom] : [])]
  for (const path of Object.values(paths)) checkOutput(path, inputs)
  return async ({ model, encodings }) => {
    await writeModelFile(model, paths.model)
    await writeFileAtomic(paths.file, `${JSON.stringify(writeEncodings(encodings, form), null, 1)}\n`)
    return paths
  }
}
