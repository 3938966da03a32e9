// Quantises a model file to int8 and says what that cost. In a clone, after `npm run build`:
// node examples/quantize.mjs model.int8.onnx
import { openRuntime, parseRecipe, quantizeFile, quantizeJson } from 'onnxpress'

const recipe = parseRecipe('quantize', {
  model: 'demo/model.onnx',
  data: 'demo/calibration.json',
  val: 'demo/test.json',
  preprocess: 'demo/preprocess.json',
  output: process.argv[2] ?? 'model.int8.onnx',
})

const runtime = await openRuntime()
try {
  const run = await quantizeFile(runtime, recipe, {
    progress: ({ step, done }) => done === 0 && console.error(step),
  })
  const { sizeBytes, layerCounts, metric, sqnrDb } = quantizeJson(run)
  console.log(`${run.output}: ${sizeBytes.before} → ${sizeBytes.after} bytes`)
  console.log(`${layerCounts.integer} of ${layerCounts.total} layers run in integers`)
  console.log(`${metric.name}: ${metric.before} → ${metric.after}, outputs:`, sqnrDb)
} finally {
  // Without this the process does not end: ONNX Runtime lives in a worker thread.
  await runtime.close()
}
