// `check` from the command line, and the action that runs it in a workflow, on the model of the demo.
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { readModelFile, writeModelFile } from '../src/onnx/index.node.ts'
import { constantsOf, layersOf, Tensor, withTensors } from '../src/onnx/index.ts'
import { built } from './support/built.ts'
import { commandLine } from './support/command-line.ts'
import { readYaml, type Yaml } from './support/yaml.ts'

const folder = mkdtempSync(join(tmpdir(), 'onnxpress-check-'))
const at = (name: string): string => join(folder, name)
const model = 'demo/model.onnx'
after(() => rmSync(folder, { recursive: true }))
const samples = ['--data', 'demo/test.json', '--preprocess', 'demo/preprocess.json', '--threads', '1']

/** The model of the demo with the weights of its first layer blurred: the more, the more is lost. */
async function blurred(share: number, output: string): Promise<void> {
  const given = await readModelFile(model)
  const [layer] = layersOf(given)
  assert.ok(layer)
  const values = layer.weight.floats()
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length
  const blur = Float32Array.from(values, (value) => (1 - share) * value + share * mean)
  const name = layer.node.inputs[layer.weightIndex] ?? ''
  assert.ok(constantsOf(given.graph)(name))
  await writeModelFile(
    withTensors(given, new Map([[name, Tensor.from('float32', layer.weight.shape, [...blur])]])),
    output,
  )
}

const { run, close } = commandLine()
after(close)
const check = (...words: readonly string[]) => run('check', model, ...words, ...samples)

describe('check', () => {
  before(async () => {
    await built()
    await blurred(0.02, at('near.onnx'))
    await blurred(0.9, at('worse.onnx'))
  })

  it('lets a model pass that loses less than it may, and stops when that is shown', async () => {
    const { status, stdout, stderr } = await check(at('near.onnx'), '--max-drop', '0.05', '--json')
    assert.equal(status, 0, stderr)
    const { kept, limits, samples: taken, metric, difference } = JSON.parse(stdout)
    assert.deepEqual([kept, limits[0].kept, limits[0].name, limits[0].limit], [true, true, 'max-drop', 0.05])
    assert.ok(taken < 450 && metric.samples === taken, `${taken}`)
    assert.ok(limits[0].interval.high < 0.05)
    assert.deepEqual(difference.operators, {})
    assert.deepEqual([difference.layers.changed, difference.layers.same], [[], 23])
  })

  it('refuses a model that loses more, with a sentence for each broken limit, and writes the summary all the same', async () => {
    const page = at('summary.md')
    const words = ['--max-drop', '0.01', '--max-bytes', '1000', '--max-size', '1.1', '--markdown', page]
    const { status, stdout, stderr } = await check(at('worse.onnx'), ...words, '--quiet')
    assert.equal(status, 6, stderr)
    const [drop, bytes, ...others] = stderr.trim().split('\n')
    assert.match(drop ?? '', /^the drop of top1 is \d.* points .*allowed is at most 1\.0 points: broken$/)
    assert.match(bytes ?? '', /^the file is .* bytes .*: broken$/)
    assert.deepEqual(others, [])
    assert.match(stdout, /^✖ 2 of 3 limits are broken/)
    assert.match(readFileSync(page, 'utf8'), /^## ✖ 2 of 3 limits are broken\n/)
  })

  it('is undecided where the samples are too few, which passes when it is allowed to', async () => {
    const few = [at('near.onnx'), '--max-drop', '0.01', '--samples', '32', '--quiet']
    const { status, stderr } = await check(...few)
    assert.equal(status, 6)
    assert.match(stderr, /undecided; about [\d,]+ more samples like these would tell/)
    assert.equal((await check(...few, '--allow-undecided')).status, 0)
  })

  it('says what is missing: labels for a drop, a folder for the summary, another name than that of a model', async () => {
    const unlabelled = ['--data', 'random', '--max-drop', '0.1']
    const none = await check(at('near.onnx'), ...unlabelled)
    assert.equal(none.status, 0, 'the last --data counts')
    const args = [resolve('bin/onnxpress.js'), 'check', model, at('near.onnx'), ...unlabelled, '--quiet']
    const { status, stderr } = spawnSync(process.execPath, args, { encoding: 'utf8' })
    assert.deepEqual([status, stderr.includes('--max-drop needs labels, and random has none')], [3, true], stderr)
    const nowhere = await check(at('near.onnx'), '--markdown', at('no/such.md'))
    assert.deepEqual([nowhere.status, /give another name with --markdown/.test(nowhere.stderr)], [2, true])
    assert.equal((await check(at('near.onnx'), '--markdown', at('near.onnx'))).status, 2)
    assert.ok(!existsSync(at('no')))
  })
})

interface Step {
  readonly uses?: string
  readonly run?: string
  readonly shell?: string
  readonly 'working-directory'?: string
  readonly env?: Readonly<Record<string, string>>
}

interface Action {
  readonly inputs: Readonly<
    Record<string, { readonly default?: string; readonly required?: string; readonly description: string }>
  >
  readonly outputs: Readonly<Record<string, { readonly value: string }>>
  readonly runs: { readonly using: string; readonly steps: readonly Step[] }
}

/** Runs the steps of the action as GitHub does: each in bash, with what it gives them; `npm` and downloads excepted. */
function runAction(inputs: Readonly<Record<string, string>>, action: Action) {
  const place = mkdtempSync(join(folder, 'run-'))
  const bin = join(place, 'bin')
  mkdirSync(bin)
  writeFileSync(join(bin, 'npm'), `#!/bin/bash\necho "$PWD: npm $*" >> "${join(place, 'npm.txt')}"\n`)
  chmodSync(join(bin, 'npm'), 0o755)
  const files = { summary: join(place, 'summary.md'), output: join(place, 'output.txt') }
  for (const file of Object.values(files)) writeFileSync(file, '')
  const known: Record<string, string> = { 'github.action_path': resolve('.') }
  for (const [name, input] of Object.entries(action.inputs))
    known[`inputs.${name}`] = inputs[name] ?? input.default ?? ''
  const filled = (text: string) =>
    text.replace(/\$\{\{ *([\w.-]+) *\}\}/g, (_, name: string) => known[name] ?? assert.fail(`nobody gives ${name}`))
  let status = 0
  let said = ''
  for (const { run, env = {}, shell, 'working-directory': cwd = '' } of action.runs.steps) {
    if (run === undefined || status !== 0) continue
    assert.equal(shell, 'bash')
    // The line that the runner has for `shell: bash`.
    const ran = spawnSync('bash', ['--noprofile', '--norc', '-eo', 'pipefail', '-c', run], {
      encoding: 'utf8',
      cwd: cwd === '' ? place : filled(cwd),
      env: {
        PATH: `${bin}:${join(process.execPath, '..')}:${process.env['PATH']}`,
        HOME: place,
        GITHUB_ACTION_PATH: resolve('.'),
        GITHUB_STEP_SUMMARY: files.summary,
        GITHUB_OUTPUT: files.output,
        GITHUB_WORKSPACE: place,
        RUNNER_TEMP: place,
        ...Object.fromEntries(Object.entries(env).map(([name, value]) => [name, filled(value)])),
      },
    })
    status = ran.status ?? 1
    said += ran.stderr
  }
  const outputs = Object.fromEntries(
    readFileSync(files.output, 'utf8')
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => [line.slice(0, line.indexOf('=')), line.slice(line.indexOf('=') + 1)]),
  )
  return {
    status,
    said,
    outputs,
    summary: readFileSync(files.summary, 'utf8'),
    npm: readFileSync(join(place, 'npm.txt'), 'utf8'),
  }
}

describe('the action', () => {
  const action = readYaml(readFileSync('action.yml', 'utf8')) as Yaml & Action
  const paths = {
    baseline: resolve(model),
    data: resolve('demo/test.json'),
    preprocess: resolve('demo/preprocess.json'),
  }
  const other = (name: string) => join(folder, name)
  before(async () => {
    await built()
    await blurred(0.02, other('near model.onnx'))
    await blurred(0.9, other('bad.onnx'))
  })

  it('installs itself, checks, and puts the summary where GitHub shows it', () => {
    const limits = { 'max-drop': '0.05', 'max-size': '1.1', args: '--threads 1 --seed 3' }
    const { status, said, outputs, summary, npm } = runAction(
      { ...paths, ...limits, model: other('near model.onnx') },
      action,
    )
    assert.equal(status, 0, said)
    assert.equal(npm, `${resolve('.')}: npm ci\n`)
    assert.match(summary, /^## ✔ All 2 limits hold\n/)
    assert.equal(outputs['kept'], 'true')
    assert.equal(readFileSync(outputs['markdown'] ?? '', 'utf8'), summary)
    assert.equal(JSON.parse(readFileSync(outputs['json'] ?? '', 'utf8')).limits.length, 2)
  })

  it('fails with the exit code of the check, and shows why', () => {
    const { status, outputs, summary, said } = runAction(
      { ...paths, model: other('bad.onnx'), 'max-drop': '0.01' },
      action,
    )
    assert.equal(status, 6)
    assert.match(said, /the drop of top1 is .*: broken/)
    assert.match(summary, /^## ✖ 1 of 1 limit is broken\n/)
    assert.equal(outputs['kept'], 'false')
  })

  it('shows no summary of another run where the samples cannot be read, and runs nothing that stands in an input', () => {
    const trap = '$(touch trapped) `touch trapped`; touch trapped'
    const { status, summary, outputs } = runAction(
      { ...paths, model: other('bad.onnx'), data: trap, 'max-drop': trap },
      action,
    )
    assert.equal(status, 2)
    assert.deepEqual([summary, outputs], ['', {}])
  })

  it('has an input for every limit, and uses every input', () => {
    const text = readFileSync('action.yml', 'utf8')
    for (const name of Object.keys(action.inputs)) assert.ok(text.includes(`\${{ inputs.${name} }}`), name)
    for (const name of [
      'max-drop',
      'min-agreement',
      'min-sqnr',
      'max-bytes',
      'max-size',
      'max-latency',
      'allow-undecided',
    ])
      assert.ok(action.inputs[name] && text.includes(`--${name}`), name)
    for (const { value } of Object.values(action.outputs))
      assert.match(value, /^\$\{\{ steps\.check\.outputs\.\w+ \}\}$/)
  })
})
