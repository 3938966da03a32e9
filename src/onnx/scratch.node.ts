// Tensors that are made on demand, made once: they lie in a scratch file until the model is written.
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { DataFiles } from './data-files.node.ts'
import { DataWriter } from './data-writer.node.ts'
import type { Model } from './model.ts'
import { withTemporary } from './temporaries.node.ts'
import { Tensor } from './tensor.ts'

/** Makes the tensors of a model that are made on demand, one at a time; returns the model with them on disk. */
export type Settle = (model: Model) => Promise<Model>

let folders = 0

/** Lets `work` put tensors into files of a folder inside `parent`, which is made when it is needed and gone afterwards. */
export async function withScratch<T>(parent: string, work: (settle: Settle) => Promise<T>): Promise<T> {
  const path = join(parent, `onnxpress-${process.pid}-${folders++}`)
  return withTemporary(path, (folder) => {
    const known = new Map<Tensor, Tensor>()
    let files = 0
    return work(async (model) => {
      const open = [...model.graph.initializers.values()].filter(isMadeOnDemand)
      if (open.length === 0) return model
      const fresh = new Set(open.filter((tensor) => !known.has(tensor)))
      const made = fresh.size === 0 ? [] : await writeOut(fresh, folder, `made-${files++}.data`)
      for (const [tensor, stored] of made) known.set(tensor, stored)
      const initializers = new Map(
        [...model.graph.initializers].map(([name, tensor]) => [name, known.get(tensor) ?? tensor]),
      )
      return { ...model, graph: { ...model.graph, initializers } }
    })
  })
}

function isMadeOnDemand({ lazy, stored }: Tensor): boolean {
  return lazy !== undefined && stored === undefined
}

async function writeOut(tensors: Iterable<Tensor>, folder: string, location: string): Promise<[Tensor, Tensor][]> {
  const data = new DataWriter(location)
  const places = [...tensors].map((tensor) => ({ tensor, ...data.add(tensor) }))
  await mkdir(folder, { recursive: true })
  await data.write(join(folder, location))
  const files = new DataFiles(location, folder)
  return places.map(({ tensor, offset }) => {
    const { dtype, shape, byteLength, raw } = tensor
    return [
      tensor,
      new Tensor(dtype, shape, files.find({ location, offset, length: byteLength }, location, byteLength), { raw }),
    ]
  })
}
