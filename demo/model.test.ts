// The committed model scores on the committed samples what README.md says.
import assert from 'node:assert/strict'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { fileURLToPath } from 'node:url'
import { evaluateFile } from '../src/pipeline/index.node.ts'
import { openRuntime } from '../src/runtime/index.node.ts'

const at = (name: string) => join(fileURLToPath(new URL('.', import.meta.url)), name)

describe('the committed model', () => {
  it('is right on 425 of the 450 test pictures', async () => {
    const runtime = await openRuntime({ threads: 1 })
    try {
      const { metric } = await evaluateFile(runtime, {
        version: 1,
        command: 'evaluate',
        model: at('model.onnx'),
        data: at('test.json'),
        preprocess: at('preprocess.json'),
        metric: 'top1',
        exif: false,
        seed: 0,
        shape: {},
      })
      // A picture on the border between two classes may tip over on another processor.
      assert.ok(Math.abs(metric.value * metric.samples - 425) <= 1, `${metric.value} of ${metric.samples}`)
    } finally {
      await runtime.close()
    }
  })
})
