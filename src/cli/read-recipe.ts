// Reading a recipe file.
import { readFile } from 'node:fs/promises'
import { InputError, messageOf } from '../base/index.ts'

/** @throws InputError when the file is missing or not JSON */
export async function readRecipe(path: string): Promise<unknown> {
  let text: string
  try {
    text = await readFile(path, 'utf8')
  } catch {
    throw new InputError(`cannot read ${path}: there is no such file`, { file: path })
  }
  try {
    return JSON.parse(text)
  } catch (error) {
    throw new InputError(`cannot read ${path}: it is not a JSON file (${messageOf(error)})`, { file: path })
  }
}
