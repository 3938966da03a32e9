// Time and peak memory of commands against the size of models, which it makes: the table of a chapter on large models, as Markdown.
// Usage: npm run build; [PYTHON=python3] node --import tsx bench/large.ts [word…]; words choose models: 2M, 10M, 22M, 41M, 109M, resnet50, 3GB
import { spawnSync } from 'node:child_process'
import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { writeModelFile } from '../src/onnx/index.node.ts'
import type { Model } from '../src/onnx/index.ts'
import { encoder, matrixChain, resnet50 } from './large/models.ts'

const encoders = {
  '2M': { hidden: 128, layers: 6, vocabulary: 8192 },
  '10M': { hidden: 256, layers: 8, vocabulary: 16384 },
  '22M': { hidden: 384, layers: 6, vocabulary: 30522 },
  '41M': { hidden: 512, layers: 8, vocabulary: 30522 },
  '109M': { hidden: 768, layers: 12, vocabulary: 30522 },
}
const models: Readonly<Record<string, () => Model>> = {
  ...Object.fromEntries(Object.entries(encoders).map(([name, size]) => [name, () => encoder(size)])),
  resnet50,
  '3GB': () => matrixChain(22, 4096, 8192),
}

/** What is done to each model; the one of 3 GB has weights alone. */
const weights = ['--mode', 'weights', '--data', 'none']
const ways: Readonly<Record<string, readonly string[]>> = {
  quantize: ['--data', 'random', '--samples', '16'],
  '--effort fast': ['--data', 'random', '--samples', '16', '--effort', 'fast'],
  '--mode weights': weights,
  '--mode weights --weight-bits 4': [...weights, '--weight-bits', '4'],
}

const words = process.argv.slice(2)
const python = process.env['PYTHON']
const folder = mkdtempSync(join(tmpdir(), 'onnxpress-large-'))

/** Runs a program under GNU time. */
function measure(program: string, words: readonly string[]): string {
  const { stderr, status } = spawnSync('/usr/bin/time', ['-f', 'took %e %U %S %M', program, ...words], {
    encoding: 'utf8',
  })
  const [, wall = 0, user = 0, system = 0, kilobytes = 0] = (/took (\S+) (\S+) (\S+) (\S+)/.exec(stderr) ?? []).map(
    Number,
  )
  if (status !== 0) return 'fails | | '
  return `${wall.toFixed(1)} | ${(user + system).toFixed(1)} | ${(kilobytes / 1024).toFixed(0)}`
}

const dynamic =
  'import sys; from onnxruntime.quantization import quantize_dynamic; quantize_dynamic(sys.argv[1], sys.argv[2], use_external_data_format=len(sys.argv) > 3)'

try {
  console.log('| model | bytes, MB | way | wall, s | processor, s | peak memory, MB |\n|---|---|---|---|---|---|')
  for (const [name, make] of Object.entries(models)) {
    if (words.length > 0 && !words.includes(name)) continue
    const model = join(folder, `${name}.onnx`)
    const output = join(folder, 'out.onnx')
    const size = `${((await writeModelFile(make(), model)) / 1e6).toFixed(0)}`
    const giant = name === '3GB'
    for (const [way, options] of Object.entries(ways)) {
      if (giant && !options.includes('weights')) continue
      const row = measure(process.execPath, [
        'bin/onnxpress.js',
        'quantize',
        model,
        ...options,
        '-o',
        output,
        '--no-report',
        '--quiet',
      ])
      console.log(`| ${name} | ${size} | ${way} | ${row} |`)
    }
    // The peer's weights alone: integers with activations quantised as they come.
    if (python)
      console.log(
        `| ${name} | ${size} | onnxruntime.quantization, dynamic | ${measure(python, ['-c', dynamic, model, output, ...(giant ? ['external'] : [])])} |`,
      )
    for (const file of readdirSync(folder)) rmSync(join(folder, file), { recursive: true })
  }
} finally {
  rmSync(folder, { recursive: true })
}
