// The worker beside the page: the whole toolkit on onnxruntime-web. It asks nobody for anything but its own files.

import wasmUrl from 'onnxruntime-web/ort-wasm-simd-threaded.wasm?url'
import * as ort from 'onnxruntime-web/wasm'
import { InputError, messageOf } from '../../../src/base/index.ts'
import type { Model } from '../../../src/onnx/index.ts'
import { commandLineOf, commandSchema, costsOf, layerOfModel, viewOfModel } from '../../../src/pipeline/index.ts'
import { type Runtime, webRuntime } from '../../../src/runtime/index.ts'
import type { CommandSchema, Session } from '../types.ts'
import { version } from './build.ts'
import { Files } from './files.ts'
import type { Answer, Request } from './messages.ts'
import { beyondThisPage, openModel, quantizeHere } from './quantize.ts'
import { checkRecipe, LocalRuns } from './runs.ts'

ort.env.wasm.wasmPaths = { wasm: new URL(wasmUrl, import.meta.url).href }
ort.env.wasm.numThreads = 1

const files = new Files()
const runtime: Runtime = webRuntime(ort)
const runs = new LocalRuns(
  (recipe, watch) => quantizeHere(runtime, files, recipe, watch),
  async () => ({
    browser: navigator.userAgent,
    threads: String(runtime.threads),
    [runtime.name]: runtime.version,
  }),
  (news) => say({ kind: 'news', event: news.type, data: news }),
)

function say(answer: Answer): void {
  postMessage(answer)
}

/** Why somebody would go on to the command line. */
const limits = [
  'Which layers run in integers is not checked: that is read from a file that ONNX Runtime writes, and a page has no files.',
  'Speed is not measured: WebAssembly in this browser says nothing of the machine that will run the model.',
  'Samples are pictures, or random numbers. Labels, metrics, .npy and other data need the command line.',
  'There is no disk for what does not fit in memory: about 4 GB for the model and the values of one batch.',
  'From samples, ranges can differ in their last digits from those of the command line, because WebAssembly adds up in another order. From a recipe with stored statistics the file is the same, byte for byte.',
  'Runs live in this tab and end with it.',
]

function session(): Session {
  return { place: 'page', version, folders: [], schema: { oneOf: [quantizeSchema()] }, limits }
}

/** The form of this page: what it cannot do is not a field, and samples are what was dropped here. */
function quantizeSchema(): CommandSchema {
  const { properties, required } = commandSchema('quantize')
  const without: readonly string[] = beyondThisPage
  const said: Readonly<Record<string, string>> = {
    data: 'pictures that were dropped here, "random" or "none"',
    val: 'other pictures to score on',
  }
  const fields = Object.entries(properties).flatMap(([name, field]) => {
    const description = said[name]
    return without.includes(name) ? [] : [[name, description === undefined ? field : { ...field, description }]]
  })
  return { properties: Object.fromEntries(fields), required }
}

/** The model that was looked at last. */
let looked: { readonly path: string; readonly model: Promise<Model> } | undefined

function modelAt(path: string): Promise<Model> {
  if (looked?.path !== path) {
    const model = openModel(files, path)
    looked = { path, model }
    model.catch(() => {
      looked = undefined
    })
  }
  return looked.model
}

/** The same questions as the server answers, by the same paths. */
async function answer(address: string, body: unknown): Promise<unknown> {
  const { pathname, searchParams } = new URL(address, 'page:/')
  const [, first = '', second = '', third = ''] = pathname.split('/')
  const path = searchParams.get('path') ?? ''
  switch (`${body === undefined ? 'GET' : 'POST'} ${first}${second === '' ? '' : ` ${third}`}`) {
    case 'GET session':
      return session()
    case 'GET files':
      return files.list(path)
    case 'GET model': {
      const { file } = files.get(path)
      return viewOfModel(await modelAt(path), { path, name: file.name, sizeBytes: file.size })
    }
    case 'GET model ':
      return second === 'costs'
        ? costsOf(await modelAt(path), runtime)
        : layerOfModel(await modelAt(path), searchParams.get('name') ?? '', path)
    case 'POST recipe': {
      const recipe = checkRecipe(body)
      files.get(recipe.model)
      if (recipe.data !== 'random' && recipe.data !== 'none') files.pictures(recipe.data)
      return { recipe, commandLine: commandLineOf(recipe) }
    }
    case 'GET runs':
      return runs.list()
    case 'POST runs':
      return runs.add(body)
    case 'GET runs ':
      return runs.message(second)
    case 'GET runs report':
      return runs.report(second)
    case 'POST runs cancel':
      runs.cancel(second)
      return {}
    case 'POST runs resume':
      return runs.again(second)
    case 'POST runs ticket':
      return runs.file(second, (body as { readonly what?: unknown }).what)
    default:
      throw new InputError('this page has no answer to that')
  }
}

addEventListener('message', async ({ data }: MessageEvent<Request>) => {
  try {
    const value = data.kind === 'upload' ? files.add(data.file, data.group) : await answer(data.path, data.body)
    say({ kind: 'answer', id: data.id, value })
  } catch (error) {
    say({ kind: 'failure', id: data.id, message: messageOf(error) })
  }
})
