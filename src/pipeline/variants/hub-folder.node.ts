// A model as people keep it for transformers.js: config.json, a tokenizer and the like, and in onnx/ one graph or several.
import { copyFile, readdir, stat } from 'node:fs/promises'
import { basename, dirname, extname, join, resolve } from 'node:path'
import { InputError } from '../../base/index.ts'
import { variantOf } from './dtypes.ts'
import type { GraphFile } from './job.ts'

export interface HubFolder {
  readonly graphs: readonly GraphFile[]
  /** Where the graphs lie. */
  readonly onnx: string
  /** Where config.json lies, or would. */
  readonly root: string
}

/** Files beside onnx/ that a model is loaded with. */
const companion = /\.(json|txt|model|jinja|spm)$/i
/** Larger ones are no configuration. */
const LARGEST_COMPANION = 100e6

/**
 * Finds the float graphs of a folder, or takes a single file; variants that lie there already are left out.
 * @throws InputError when there are none
 */
export async function openHubFolder(path: string): Promise<HubFolder> {
  const info = await stat(path).catch(() => undefined)
  if (!info) throw new InputError(`cannot read ${path}: there is no such file or folder`, { file: path })
  if (!info.isDirectory()) {
    const onnx = dirname(path)
    const root = basename(resolve(onnx)) === 'onnx' ? dirname(resolve(onnx)) : onnx
    return { graphs: [{ name: basename(path, extname(path)), file: path }], onnx, root }
  }
  for (const onnx of [join(path, 'onnx'), path]) {
    const names = (await readdir(onnx).catch(() => [])).filter((name) => name.endsWith('.onnx')).map(stem)
    if (names.length === 0) continue
    const graphs = names.filter((name) => variantOf(name) === undefined).sort()
    if (graphs.length > 0)
      return { graphs: graphs.map((name) => ({ name, file: join(onnx, `${name}.onnx`) })), onnx, root: path }
    throw new InputError(
      `${onnx} holds variants alone (${names.sort().join(', ')}), and they are made from a float model: put its ${variantOf(names[0] ?? '')}.onnx there`,
      { file: onnx },
    )
  }
  throw new InputError(
    `there is no .onnx file in ${path} or ${join(path, 'onnx')}; give a folder as transformers.js loads it, or a file`,
    { file: path },
  )
}

const stem = (name: string) => basename(name, '.onnx')

/** Copies what a model is loaded with, its configuration and tokenizer, to another folder; what lies there already stays. */
export async function copyCompanions(from: string, to: string): Promise<void> {
  if (resolve(from) === resolve(to)) return
  for (const entry of await readdir(from, { withFileTypes: true })) {
    if (!entry.isFile() || !companion.test(entry.name)) continue
    const [source, target] = [join(from, entry.name), join(to, entry.name)]
    if ((await stat(source)).size > LARGEST_COMPANION || (await stat(target).catch(() => undefined))) continue
    await copyFile(source, target)
  }
}
