// One bad value in the samples, or code of the person's own that misbehaves: one sentence, the right exit code, and an end.
import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { setTimeout } from 'node:timers/promises'
import type { ProgressEvent } from '../src/base/index.ts'
import { makeModel, makeNode, Tensor, writeModel } from '../src/onnx/index.ts'
import { compressFile, quantizeFile } from '../src/pipeline/index.node.ts'
import { parseRecipe } from '../src/recipe/index.ts'
import { built } from './support/built.ts'
import { sharedFolder } from './support/manifest.ts'
import { testRuntime } from './support/rewrite-conformance.ts'

const program = resolve('bin/onnxpress.js')
/** A run that waits for what never comes ends by the signal below; one that leaves takes a quarter of a second, on a busy machine more. */
const SOON_MS = 5000

interface Ended {
  readonly code: number | null
  readonly stderr: string
  /** Milliseconds from the last line on stderr to the end. */
  readonly after: number
}

/** A run that is killed after a while: a test that waits for ever says nothing. */
async function end(child: ChildProcess): Promise<Ended> {
  let stderr = ''
  let said = performance.now()
  child.stderr?.on('data', (part) => {
    stderr += part
    said = performance.now()
  })
  const kill = globalThis.setTimeout(() => child.kill('SIGKILL'), 60_000)
  const code = await new Promise<number | null>((done) => child.once('exit', done))
  clearTimeout(kill)
  return { code, stderr, after: performance.now() - said }
}

/** x[N,4] -> MatMul 4->4 -> Relu -> MatMul 4->2 -> y */
const model = (weights: (i: number) => number = (i) => Math.sin(i + 1)): Uint8Array =>
  writeModel(
    makeModel({
      name: 'small',
      nodes: [
        makeNode({ opType: 'MatMul', inputs: ['x', 'w1'], outputs: ['h'], name: 'first' }),
        makeNode({ opType: 'Relu', inputs: ['h'], outputs: ['r'], name: 'relu' }),
        makeNode({ opType: 'MatMul', inputs: ['r', 'w2'], outputs: ['y'], name: 'last' }),
      ],
      inputs: [{ name: 'x', dtype: 'float32', shape: ['N', 4] }],
      outputs: [{ name: 'y', dtype: 'float32', shape: ['N', 2] }],
      initializers: {
        w1: Tensor.from(
          'float32',
          [4, 4],
          Float32Array.from({ length: 16 }, (_, i) => Math.cos(i)),
        ),
        w2: Tensor.from(
          'float32',
          [4, 2],
          Float32Array.from({ length: 8 }, (_, i) => weights(i)),
        ),
      },
    }),
  )

describe('a run that meets an error ends', () => {
  const folder = mkdtempSync(join(tmpdir(), 'onnxpress-ends-'))
  const env = { ...process.env, NODE_OPTIONS: '' }
  const start = (...args: string[]) => spawn(process.execPath, [program, ...args], { cwd: folder, env })
  const run = (...args: string[]) => end(start(...args))
  const write = (name: string, text: string | Uint8Array) => writeFileSync(join(folder, name), text)
  const raw = (name: string, value: (i: number) => number) => {
    write(`${name}.bin`, new Uint8Array(Float32Array.from({ length: 128 }, (_, i) => value(i)).buffer))
    write(`${name}.json`, `{ "format": "raw", "file": "${name}.bin", "dtype": "float32", "shape": [32, 4] }`)
  }

  before(async () => {
    await built()
    write('model.onnx', model())
    write(
      'broken.onnx',
      model((i) => (i === 3 ? Number.NaN : 1)),
    )
    raw('good', (i) => Math.sin(3 * i))
    raw('nan', (i) => (i === 21 ? Number.NaN : Math.sin(3 * i)))
    raw('fitted', (i) => (i === 9 ? Number.NaN : Math.sin(3 * i)))
    raw('inf', (i) => (i === 21 ? Number.NEGATIVE_INFINITY : Math.sin(3 * i)))
    const sample = 'yield { inputs: { x: Float32Array.of(1, 2, i, 4) } }'
    write(
      'throws.mjs',
      `export default function* () { for (let i = 0; i < 5; i++) ${sample}; throw new Error('no more') }`,
    )
    // Its clean-up never ends, and a timer keeps its process alive.
    write(
      'stays.mjs',
      `setInterval(() => {}, 1000)
       export const size = 20
       export default async function* () {
         try { for (let i = 0; i < 20; i++) { if (i === 12) throw new Error('no more'); ${sample} } }
         finally { await new Promise(() => {}) }
       }`,
    )
    write(
      'waits.mjs',
      `export const size = 20\nexport default async function* () { for (let i = 0; i < 20; i++) { if (i === 3) await new Promise(() => {}); ${sample} } }`,
    )
    write('endless.mjs', `export default function* () { for (let i = 0; ; i++) ${sample} }`)
  })
  after(() => rmSync(folder, { recursive: true, force: true }))

  const commands: readonly (readonly string[])[] = [
    ['quantize'],
    ['finetune', '--qat', '--epochs', '1'],
    ['compress', '--macs', '0.6'],
    ['compress', '--macs', '0.6', '--method', 'prune'],
  ]
  const refused = ({ code, stderr, after }: Ended, sentence: RegExp) => {
    assert.match(stderr, sentence)
    assert.deepEqual([code, stderr.includes('    at ')], [3, false], stderr)
    assert.ok(after < SOON_MS, `${after} ms after the sentence`)
    assert.deepEqual(
      readdirSync(folder).filter((name) => /\.(int8|macs60|tuned)/.test(name)),
      [],
    )
  }

  for (const [command = '', ...options] of commands) {
    // Of 32 samples number 2 is fitted to, number 5 is kept for the report.
    it(`${[command, ...options].join(' ')}: NaN in a sample`, async () => {
      for (const [data, sample] of [
        ['fitted', 2],
        ['nan', 5],
      ] as const)
        refused(
          await run(command, 'model.onnx', '--data', `${data}.json`, ...options),
          new RegExp(`tensor "x" is NaN for sample ${data}\\.bin#${sample};`),
        )
    })
  }

  it('NaN in a sample that is scored in the end: before anything is computed', async () => {
    const [model, data] = ['model.onnx', 'nan.json'].map((name) => join(folder, name))
    const output = join(folder, 'out.onnx')
    const runtime = await testRuntime()
    const steps = new Set<string>()
    const watch = { progress: ({ step }: ProgressEvent) => steps.add(step) }
    for (const run of [
      () => quantizeFile(runtime, parseRecipe('quantize', { model, data, output }), watch),
      () => compressFile(runtime, parseRecipe('compress', { model, data, output, macs: [0.5] }), watch),
    ]) {
      await assert.rejects(run, /tensor "x" is NaN for sample nan\.bin#5;/)
      assert.deepEqual([...steps], ['read'])
    }
  })

  it('an infinity in a sample', async () => {
    refused(await run('quantize', 'model.onnx', '--data', 'inf.json'), /tensor "x" is infinite for sample inf\.bin#5;/)
  })

  it('a NaN in a weight is not the fault of a sample', async () => {
    for (const [command = '', ...options] of commands.slice(0, 2))
      refused(
        await run(command, 'broken.onnx', '--data', 'good.json', ...options),
        /"[^"]*w2[^"]*".*holds NaN: the model is at fault, not the samples/,
      )
  })

  it('finetune without --qat as well', async () => {
    const labels = Array.from({ length: 32 }, (_, i) => i % 2).join('\n')
    write('labels.txt', labels)
    const more = ['--labels', 'labels.txt', '--epochs', '1', '--batch', '8']
    refused(
      await run('finetune', 'model.onnx', '--data', 'nan.json', ...more),
      /tensor "x" is NaN for sample nan\.bin#5;/,
    )
  })

  it('a module of samples that throws, at once or with a clean-up that never ends', async () => {
    refused(
      await run('quantize', 'model.onnx', '--data', 'throws.mjs'),
      /throws\.mjs: sample 5 could not be made: no more/,
    )
    refused(await run('quantize', 'model.onnx', '--data', 'nan.json', '--val', 'throws.mjs'), /tensor "x" is NaN/)
  })

  it('Ctrl-C ends the waiting for a sample that never comes, and the counting of samples without an end', async () => {
    for (const data of ['waits.mjs', 'endless.mjs', 'stays.mjs']) {
      const child = start('quantize', 'model.onnx', '--data', data)
      const ended = end(child)
      await new Promise<void>((heard) => child.stderr?.once('data', () => heard()))
      await setTimeout(500)
      child.kill('SIGINT')
      const { code, stderr } = await ended
      assert.equal(code, 130, `${data}: ${stderr}`)
      assert.match(stderr, /interrupted\n$/)
    }
  })
})

const cases = join(sharedFolder, 'cases', 'nan_sample')

describe('shared cases: nan_sample', { skip: existsSync(cases) ? false : `no ${cases}` }, () => {
  const folder = mkdtempSync(join(tmpdir(), 'onnxpress-nan-'))
  after(() => rmSync(folder, { recursive: true, force: true }))
  before(built)

  for (const file of ['nan5', 'inf5'])
    it(`${file}: every command that fits names the tensor and the sample`, async () => {
      const lines = ['quantize', 'compress --macs 0.5', 'compress --macs 0.5 --method prune', 'finetune --qat']
      for (const line of file === 'nan5' ? lines : lines.slice(0, 2)) {
        const [command = '', ...options] = line.split(' ')
        const output = join(folder, 'out.onnx')
        const args = [program, command, join(cases, 'model.onnx'), '--data', join(cases, `${file}.json`)]
        const env = { ...process.env, NODE_OPTIONS: '' }
        const { code, stderr, after } = await end(spawn(process.execPath, [...args, ...options, '-o', output], { env }))
        assert.match(stderr, new RegExp(`tensor "x" is (NaN|infinite) for sample ${file}\\.bin#5;`))
        assert.equal(code, 3, stderr)
        assert.ok(after < SOON_MS, `${line}: ${after} ms after the sentence`)
      }
    })
})
