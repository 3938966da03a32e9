// Compresses a model file to half of its multiplications. In a clone, after `npm run build`:
// node examples/compress.mjs model.macs50.onnx
import { compressFile, compressJson, openRuntime, parseRecipe, RefusedError } from 'onnxpress'

const recipe = parseRecipe('compress', {
  model: 'demo/model.onnx',
  data: 'demo/calibration.json',
  val: 'demo/test.json',
  preprocess: 'demo/preprocess.json',
  macs: [0.5],
  output: process.argv[2] ?? 'model.macs50.onnx',
})

const runtime = await openRuntime()
try {
  const { output, macs, metric } = compressJson(await compressFile(runtime, recipe))
  console.log(`${output}: ${(100 * macs.ratio).toFixed(0)} % of the multiplications`)
  console.log(`${metric.name}: ${metric.before} → ${metric.after}`)
} catch (error) {
  // The budget is out of reach, or what is left no longer does its job: the message says which, and what to ask for instead.
  if (!(error instanceof RefusedError)) throw error
  console.error(error.message)
  process.exitCode = 6
} finally {
  await runtime.close()
}
