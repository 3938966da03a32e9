// A model file as the page draws it. Models read lately are kept.
import { stat } from 'node:fs/promises'
import { basename } from 'node:path'
import { InputError } from '../base/index.ts'
import { readModelFile } from '../onnx/index.node.ts'
import type { Model } from '../onnx/index.ts'
import {
  costsOf,
  layerOfModel,
  type ModelView,
  type NodeTimes,
  timesOfNodes,
  viewOfModel,
  zeroFeeds,
} from '../pipeline/index.ts'
import type { LayerRow } from '../report/index.ts'
import { openRuntime, profileKernels } from '../runtime/index.node.ts'

/** Models read lately, by path; read again when the file changes. */
const models = new Map<string, { readonly mtimeMs: number; readonly model: Promise<Model> }>()
const mostKept = 3

async function open(path: string): Promise<Model> {
  const info = await stat(path).catch((error: unknown) => {
    throw new InputError(`cannot read ${path}: there is no such file`, { file: path }, error)
  })
  const known = models.get(path)
  if (known?.mtimeMs === info.mtimeMs) return known.model
  const model = readModelFile(path)
  models.delete(path)
  models.set(path, { mtimeMs: info.mtimeMs, model })
  model.catch(() => models.delete(path))
  for (const old of models.keys()) if (models.size > mostKept) models.delete(old)
  return model
}

/** The drawing of a model file. @throws InputError when it cannot be read */
export async function viewModel(path: string): Promise<ModelView> {
  const model = await open(path)
  return viewOfModel(model, { path, name: basename(path), sizeBytes: (await stat(path)).size })
}

/** Multiply-accumulates of each layer by name, from a run on zeros. */
export async function viewCosts(path: string): Promise<Record<string, number>> {
  const model = await open(path)
  const runtime = await openRuntime()
  try {
    return await costsOf(model, runtime)
  } finally {
    await runtime.close()
  }
}

/** How long each node takes on this machine, from a profile of its own on zeros. */
export async function viewTimes(path: string): Promise<NodeTimes> {
  const model = await open(path)
  const runtime = await openRuntime()
  try {
    const kernels = await profileKernels(runtime, model, zeroFeeds(model), {
      warmups: 5,
      rounds: 25,
      label: basename(path),
    })
    const totalMs = kernels.reduce((sum, { milliseconds }) => sum + milliseconds, 0)
    return { nodes: timesOfNodes(model, kernels), totalMs, threads: runtime.threads }
  } finally {
    await runtime.close()
  }
}

/** One layer with its channels. @throws InputError when there is no such layer */
export async function viewLayer(path: string, name: string): Promise<LayerRow> {
  return layerOfModel(await open(path), name, path)
}
