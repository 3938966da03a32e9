// A large model as files that ONNX Runtime opens by path: a small graph, and weights that are linked instead of copied.
import { linkSync } from 'node:fs'
import { mkdtemp, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { DataWriter } from './data-writer.node.ts'
import { tensorsOf } from './files.node.ts'
import type { Model } from './model.ts'
import { withTemporary } from './temporaries.node.ts'
import type { Tensor } from './tensor.ts'
import { type ExternalSink, writeModel } from './write.ts'

/**
 * Hands the path of a model to `work`, in a folder that is gone afterwards. What still lies in the data files that it was read from is
 * there by a hard link; where the file system has none, and for everything else that is large, the tensors are written.
 */
export async function withLinkedModel<T>(model: Model, work: (path: string) => Promise<T>): Promise<T> {
  return withTemporary(await folderNear(model), async (folder) => {
    const own = new DataWriter('own.data')
    const links = new Map<string, string | undefined>()
    const linkTo = (file: string): string | undefined => {
      if (!links.has(file)) {
        const location = `data-${links.size}`
        links.set(file, tryLink(file, join(folder, location)) ? location : undefined)
      }
      return links.get(file)
    }
    const sink: ExternalSink = {
      minBytes: own.minBytes,
      add: (tensor) => {
        const location = tensor.stored && linkTo(tensor.stored.file)
        return tensor.stored && location !== undefined ? { location, offset: tensor.stored.offset } : own.add(tensor)
      },
    }
    const path = join(folder, 'model.onnx')
    await writeFile(path, writeModel(model, sink))
    if (own.end > 0) await own.write(join(folder, 'own.data'))
    return work(path)
  })
}

/** Beside the largest data file, where links are possible; else where temporary files go. */
async function folderNear(model: Model): Promise<string> {
  const stored = (tensor: Tensor) => tensor.stored?.byteLength ?? 0
  const largest = [...tensorsOf(model)].reduce<Tensor | undefined>(
    (most, tensor) => (stored(tensor) > (most ? stored(most) : 0) ? tensor : most),
    undefined,
  )
  const near = largest?.stored && dirname(largest.stored.file)
  const make = (parent: string) => mkdtemp(join(parent, 'onnxpress-'))
  return near === undefined ? make(tmpdir()) : make(near).catch(() => make(tmpdir()))
}

function tryLink(from: string, to: string): boolean {
  try {
    linkSync(from, to)
    return true
  } catch {
    return false
  }
}
