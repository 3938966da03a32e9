// A file on one sample with ONNX Runtime's defaults, alone in its process, so that another processor can be emulated around it.
// Usage: node bench/run-file.mjs FILE FEEDS.json  → the outputs as JSON
import { readFileSync } from 'node:fs'
import ort from 'onnxruntime-node'

const [, , file, given] = process.argv
const session = await ort.InferenceSession.create(file, { intraOpNumThreads: 1, logSeverityLevel: 4 })
const feeds = JSON.parse(readFileSync(given, 'utf8')).map(({ name, dims, data }) => [
  name,
  new ort.Tensor('float32', Float32Array.from(data), dims),
])
const results = await session.run(Object.fromEntries(feeds))
const outputs = Object.entries(results).map(([name, { data }]) => [name, Array.from(data)])
process.stdout.write(JSON.stringify(Object.fromEntries(outputs)))
