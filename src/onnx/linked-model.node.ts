// A large model as files that ONNX Runtime opens by path: a small graph, and weights that are linked instead of copied.
import { constants, copyFileSync, linkSync } from 'node:fs'
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
 * there by a hard link, or by a copy where the file system has none; everything else large is written once.
 */
export async function withLinkedModel<T>(model: Model, work: (path: string) => Promise<T>): Promise<T> {
  return withTemporary(await folderNear(model), async (folder) => {
    const own = new DataWriter('own.data')
    const links = new Map<string, string>()
    const sink: ExternalSink = {
      minBytes: own.minBytes,
      add: (tensor) => {
        if (!tensor.stored) return own.add(tensor)
        const { file, offset } = tensor.stored
        const known = links.get(file)
        const location = known ?? `data-${links.size}`
        if (known === undefined) {
          links.set(file, location)
          linkOrCopy(file, join(folder, location))
        }
        return { location, offset }
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

function linkOrCopy(from: string, to: string): void {
  try {
    linkSync(from, to)
  } catch {
    copyFileSync(from, to, constants.COPYFILE_FICLONE)
  }
}
