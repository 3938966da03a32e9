// The worker: onnxpress on onnxruntime-web, so that the page stays free. In a clone, after `npm run build`:
// npx vite build examples/worker && npx vite preview examples/worker
import { readModel } from 'onnxpress/onnx'
import { calibrationSamples, parseRecipe, quantizeModel, unusedSamples } from 'onnxpress/pipeline'
import { webRuntime } from 'onnxpress/runtime'
import wasmUrl from 'onnxruntime-web/ort-wasm-simd-threaded.wasm?url'
import * as ort from 'onnxruntime-web/wasm'
import { datasetOfPictures } from './pictures.js'

ort.env.wasm.wasmPaths = { wasm: new URL(wasmUrl, import.meta.url).href }
ort.env.wasm.numThreads = 1
const runtime = webRuntime(ort)

async function quantize(model, pictures) {
  const recipe = parseRecipe('quantize', { model: model.name, data: 'pictures' })
  const watch = { progress: ({ step }) => postMessage({ text: `${step} …` }) }
  const original = readModel(new Uint8Array(await model.arrayBuffer()), { file: model.name })
  const dataset = datasetOfPictures(pictures, original.graph.inputs, 'imagenet')
  const samples = calibrationSamples(recipe, dataset, watch)
  let bytes
  const host = {
    scoring: async (used, limit) => unusedSamples(dataset, used, limit),
    write: async (_, written) => {
      bytes = written
      return written.length
    },
  }
  const material = { original, samples, inputs: new Map(), stored: undefined }
  const run = await quantizeModel(runtime, { recipe, output: 'model.int8.onnx', material, host, watch })
  const [sqnrDb] = Object.values(run.comparison.sqnrDb)
  return { bytes, text: `${run.sizeBytes.before} → ${run.sizeBytes.after} bytes, ${sqnrDb?.toFixed(1)} dB` }
}

addEventListener('message', ({ data: { model, pictures } }) => {
  quantize(model, pictures).then(postMessage, (error) => postMessage({ text: error.message }))
})
