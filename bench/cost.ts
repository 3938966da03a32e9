// Time and memory of whole processes, pictures decoded: `quantize --effort fast` and onnxruntime's quantiser, in turn.
// Needs GNU time as /usr/bin/time. Usage: PYTHON=python3 node --import tsx bench/cost.ts [RUNS]
import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { median } from '../src/math/index.ts'
import { sharedFolder } from '../test/support/manifest.ts'

const python = process.env['PYTHON'] ?? 'python3'
const runs = Number(process.argv[2] ?? 5)
const folder = mkdtempSync(join(tmpdir(), 'onnxpress-bench-'))
const env = { ...process.env, NODE_OPTIONS: '' }
const pictures = resolve(sharedFolder, 'data/imagenet-even')
const command = resolve(import.meta.dirname, '../bin/onnxpress.js')
const peer = resolve(import.meta.dirname, 'peers/onnxruntime_pictures.py')

/** Seconds and megabytes (largest resident set) of one process. */
function once(words: readonly string[]): { seconds: number; megabytes: number } | undefined {
  const { status, stderr } = spawnSync('/usr/bin/time', ['-f', '%e %M', ...words], {
    cwd: folder,
    encoding: 'utf8',
    env,
  })
  const [seconds, kilobytes] = (stderr.trim().split('\n').at(-1) ?? '').split(' ').map(Number)
  return status === 0 && seconds !== undefined && kilobytes !== undefined
    ? { seconds, megabytes: kilobytes / 1024 }
    : undefined
}

function measure(ways: Readonly<Record<string, readonly string[]>>): void {
  const seen = new Map(Object.keys(ways).map((name) => [name, { seconds: [] as number[], megabytes: [] as number[] }]))
  for (let round = 0; round <= runs; round++) {
    for (const [name, words] of Object.entries(ways)) {
      const one = once(words)
      // The first round warms up.
      if (!one || round === 0) continue
      seen.get(name)?.seconds.push(one.seconds)
      seen.get(name)?.megabytes.push(one.megabytes)
    }
  }
  for (const [name, { seconds, megabytes }] of seen)
    console.log(
      seconds.length === 0
        ? `| ${name} | did not run | |`
        : `| ${name} | ${median(seconds).toFixed(2)} | ${median(megabytes).toFixed(0)} |`,
    )
}

function ours(model: string, samples: number): string[] {
  const options = [
    '--data',
    join(pictures, 'dataset.json'),
    '--preprocess',
    'inception',
    '--effort',
    'fast',
    '--no-report',
    '--quiet',
  ]
  return [
    process.execPath,
    command,
    'quantize',
    model,
    ...options,
    '--samples',
    String(samples),
    '-o',
    join(folder, 'ours.onnx'),
  ]
}

try {
  console.log('| whole process | seconds | peak memory, MB |\n|---|---|---|')
  for (const [file, short, crop] of [
    ['mobilenet_v1_0.25_224.onnx', '256', '224'],
    ['mcunet-256kb-1mb_imagenet.onnx', '182', '160'],
  ] as const) {
    const model = resolve(sharedFolder, 'models', file)
    measure({
      [`onnxpress, ${file}, 64 pictures`]: ours(model, 64),
      [`onnxruntime, ${file}, 64 pictures`]: [
        python,
        peer,
        model,
        join(folder, 'theirs.onnx'),
        pictures,
        short,
        crop,
        '64',
      ],
    })
  }
  const model = resolve(sharedFolder, 'models/mobilenet_v1_0.25_224.onnx')
  for (const samples of [256, 500])
    measure({ [`onnxpress, mobilenet_v1_0.25_224.onnx, ${samples} pictures`]: ours(model, samples) })
} finally {
  rmSync(folder, { recursive: true })
}
