import assert from 'node:assert/strict'
import { spawn, spawnSync } from 'node:child_process'
import {
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { after, before, describe, it } from 'node:test'
import sharp from 'sharp'
import { writeModelFile } from '../src/onnx/index.node.ts'
import { built } from './support/built.ts'
import { commandLine } from './support/command-line.ts'
import { tinyModel } from './support/tiny-model.ts'

const program = resolve('bin/onnxpress.js')
const calibration = resolve('demo/calibration.json')

describe('what a stranger meets when something is wrong', () => {
  const folder = mkdtempSync(join(tmpdir(), 'onnxpress-errors-'))
  const temporary = join(folder, 'temporary')
  const env = { ...process.env, NODE_OPTIONS: '', TMPDIR: temporary }
  const run = (...args: string[]) =>
    spawnSync(process.execPath, [program, ...args], { cwd: folder, encoding: 'utf8', env })
  const shared = commandLine({ cwd: folder, env: { TMPDIR: temporary } })
  const write = (name: string, text: string | Uint8Array) => writeFileSync(join(folder, name), text)

  before(async () => {
    await built()
    for (const name of ['temporary', 'empty', 'pictures', 'broken', 'odd']) mkdirSync(join(folder, name))
    copyFileSync('demo/model.onnx', join(folder, 'model.onnx'))
    symlinkSync('model.onnx', join(folder, 'link.onnx'))
    const block = 'Conv 3x3 8->8 pads=1,1,1,1 -> BatchNormalization -> Clip number(0) number(6)'
    const drawing = `image[N,3,32,32] -> Conv 3x3 3->8 strides=2,2 pads=1,1,1,1 -> Relu -> ${block} -> GlobalAveragePool -> Flatten -> Gemm 8->10 -> logits`
    await writeModelFile(tinyModel(drawing), join(folder, 'small.onnx'))
    write('text.onnx', 'hello')
    write('cut.onnx', readFileSync('demo/model.onnx').subarray(0, 100_000))
    const pixels = { width: 40, height: 36, channels: 3, background: '#80a020' } as const
    const picture = sharp({ create: pixels })
    const jpeg = await picture.jpeg().toBuffer()
    for (let i = 0; i < 4; i++) write(`pictures/p${i}.jpg`, jpeg)
    write('broken/whole.jpg', jpeg)
    write('broken/half.jpg', jpeg.subarray(0, jpeg.length / 2))
    write('odd/grey.png', await picture.clone().toColourspace('b-w').png().toBuffer())
    write('odd/cmyk.jpg', await picture.clone().toColourspace('cmyk').jpeg().toBuffer())
    write('odd/alpha.png', await picture.clone().ensureAlpha(0.5).png().toBuffer())
    const labels = (count: number, label: (i: number) => unknown) =>
      `file,label\n${Array.from({ length: count }, (_, i) => `p${i}.jpg,${label(i)}\n`).join('')}`
    write(
      'missing.csv',
      labels(3, (i) => i),
    )
    write(
      'more.csv',
      labels(6, (i) => i),
    )
    write(
      'classes.csv',
      labels(4, (i) => 100 * i),
    )
    write(
      'words.csv',
      labels(4, () => 'cat'),
    )
    write('few.txt', '1\n2\n')
    write('field.json', '{ "command": "quantize", "model": "model.onnx", "data": "random", "weightz": 1 }')
    write('command.json', '{ "command": "quantise" }')
    write('list.json', '[1]')
    write('metric.mjs', 'export default { name: "broken", score: ({ outputs }) => outputs.none.data[0] }')
    write('throws.mjs', 'throw new Error("not today")')
    const header = "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 4, 32, 32), }"
    const padded = `${header.padEnd(117)}\n`
    write(
      'channels.npy',
      Buffer.concat([
        Buffer.from('\x93NUMPY\x01\x00', 'latin1'),
        Buffer.from([118, 0]),
        Buffer.from(padded),
        Buffer.alloc(2 * 4 * 32 * 32 * 4),
      ]),
    )
  })
  after(() => {
    shared.close()
    rmSync(folder, { recursive: true })
  })

  const cases: readonly (readonly [title: string, code: number, message: RegExp, ...args: string[]])[] = [
    ['a text file as the model', 3, /cannot read text\.onnx: it is not an ONNX model/, 'inspect', 'text.onnx'],
    ['a model that is cut off', 3, /cannot read cut\.onnx: .*damaged/, 'quantize', 'cut.onnx', '--data', 'random'],
    ['a folder as the model', 3, /cannot read empty: it is a folder/, 'inspect', 'empty'],
    ['a folder without samples', 3, /no pictures in empty/, 'quantize', 'model.onnx', '--data', 'empty'],
    ['samples that are not there', 3, /no samples at nowhere/, 'quantize', 'model.onnx', '--data', 'nowhere'],
    ['a broken picture', 3, /cannot decode the picture broken.half\.jpg/, 'quantize', 'model.onnx', '--data', 'broken'],
    [
      'samples of other channels',
      3,
      /channels\.npy has samples of float32\[4,32,32\]/,
      'quantize',
      'model.onnx',
      '--data',
      'channels.npy',
    ],
    [
      'an output without a folder',
      2,
      /cannot write none.x\.onnx: there is no folder/,
      'quantize',
      'model.onnx',
      '--data',
      'random',
      '-o',
      'none/x.onnx',
    ],
    [
      'a folder as the output',
      2,
      /cannot write pictures: it is a folder/,
      'quantize',
      'model.onnx',
      '--data',
      'random',
      '-o',
      'pictures',
    ],
    [
      'the input as the output, by a link',
      2,
      /link\.onnx is the input; onnxpress never overwrites it/,
      'quantize',
      'model.onnx',
      '--data',
      'random',
      '-o',
      'link.onnx',
    ],
    [
      'a pattern that fits nothing',
      2,
      /--exclude "none\*" fits no node/,
      'quantize',
      'model.onnx',
      '--data',
      'random',
      '--exclude',
      'none*',
    ],
    [
      'a mistyped choice',
      2,
      /'per-chanel' is invalid. Allowed choices are per-channel, per-tensor/,
      'quantize',
      'model.onnx',
      '--weights',
      'per-chanel',
    ],
    ['a mistyped command', 2, /unknown command 'quantise'.*Did you mean quantize/s, 'quantise', 'model.onnx'],
    ['a shape of nothing', 2, /write it as name:1x3x224x224/, 'quantize', 'model.onnx', '--shape', 'image:0x3'],
    [
      'a shape for another input',
      3,
      /a shape was given for input "x".*its inputs are image/,
      'quantize',
      'model.onnx',
      '--data',
      'random',
      '--shape',
      'x:1x3',
    ],
    [
      'a sample without a label',
      3,
      /sample "p3\.jpg" has no label in missing\.csv/,
      'evaluate',
      'model.onnx',
      '--data',
      'pictures',
      '--labels',
      'missing.csv',
    ],
    [
      'labels without a sample',
      3,
      /more\.csv name "p4\.jpg" and 1 more, for which there is no sample/,
      'evaluate',
      'model.onnx',
      '--data',
      'pictures',
      '--labels',
      'more.csv',
    ],
    [
      'too few labels',
      3,
      /few\.txt have 2 entries for 4 samples/,
      'evaluate',
      'model.onnx',
      '--data',
      'pictures',
      '--labels',
      'few.txt',
    ],
    [
      'labels of other classes',
      3,
      /a label is 100, but the model has 10 classes/,
      'evaluate',
      'model.onnx',
      '--data',
      'pictures',
      '--labels',
      'classes.csv',
    ],
    [
      'labels that are words',
      3,
      /line 2 of labels words\.csv has "cat"/,
      'evaluate',
      'model.onnx',
      '--data',
      'pictures',
      '--labels',
      'words.csv',
    ],
    [
      'no labels at all',
      3,
      /pictures has no labels, and the metric top1 needs them/,
      'evaluate',
      'model.onnx',
      '--data',
      'pictures',
    ],
    [
      'an unknown metric',
      2,
      /there is no metric "best"/,
      'evaluate',
      'model.onnx',
      '--data',
      calibration,
      '--metric',
      'best',
    ],
    [
      'a metric that is not there',
      3,
      /cannot load the metric none\.mjs: there is no such file/,
      'evaluate',
      'model.onnx',
      '--data',
      calibration,
      '--metric',
      'none.mjs',
    ],
    [
      'a metric that does not load',
      3,
      /cannot load the metric throws\.mjs: not today/,
      'evaluate',
      'model.onnx',
      '--data',
      calibration,
      '--metric',
      'throws.mjs',
    ],
    [
      'a metric that fails',
      3,
      /metric metric\.mjs: it failed on sample "calibration\.bin\.gz#0"/,
      'evaluate',
      'model.onnx',
      '--data',
      calibration,
      '--metric',
      'metric.mjs',
    ],
    [
      'a recipe with a wrong field',
      3,
      /field\.json: quantize has no field "weightz"; did you mean "weights"\?/,
      'run',
      'field.json',
    ],
    [
      'a recipe of an unknown command',
      3,
      /command\.json: its "command" is "quantise", expected one of quantize/,
      'run',
      'command.json',
    ],
    ['a recipe that is a list', 3, /list\.json: a recipe is an object/, 'run', 'list.json'],
    [
      'an unknown pass',
      2,
      /'fold' is invalid. Allowed choices are inline-functions,/,
      'rewrite',
      'model.onnx',
      '--passes',
      'fold',
    ],
  ]
  for (const [title, code, message, ...args] of cases) {
    it(`${title}: one sentence, exit code ${code}, no stack, nothing left`, async () => {
      const files = readdirSync(folder)
      const quiet = args[0] === 'run' || code === 2 ? [] : ['--quiet']
      const { status, stdout, stderr } = await shared.run(...args, ...quiet)
      assert.equal(status, code, stderr)
      assert.equal(stdout, '')
      assert.match(stderr, message)
      assert.doesNotMatch(stderr, /\n\s+at /)
      const told = stderr
        .trimEnd()
        .split('\n')
        .filter((line) => !/^(read|rewrite: \d+)$/.test(line))
      assert.ok(told.length <= (/Did you mean/.test(stderr) ? 2 : 1), stderr)
      assert.deepEqual(readdirSync(folder), files)
      assert.deepEqual(readdirSync(temporary), [])
    })
  }

  it('grey, CMYK and transparent pictures are read as RGB', async () => {
    const { status, stderr } = await shared.run(
      'quantize',
      'model.onnx',
      '--data',
      'odd',
      '--effort',
      'fast',
      '--quiet',
      '-o',
      'odd.onnx',
    )
    assert.equal(status, 0, stderr)
  })

  it('--json prints one object on stdout, --quiet nothing on stderr, and no file is left but the results', () => {
    const args = ['model.onnx', '--data', calibration, '--samples', '16', '--json', '--quiet']
    for (const [command, ...more] of [
      ['quantize', '--effort', 'fast', '-o', 'one.onnx'],
      ['rewrite', '-o', 'float.onnx'],
      ['evaluate'],
    ]) {
      const { status, stdout, stderr } = run(command ?? '', ...args, ...more)
      assert.deepEqual([status, stderr], [0, ''], command)
      assert.equal(stdout.trimEnd().split('\n').length, 1, command)
      assert.equal(typeof JSON.parse(stdout), 'object', command)
    }
    assert.deepEqual(readdirSync(temporary), [])
    assert.deepEqual(
      readdirSync(folder).filter((name) => /^(one|float)\.|tmp$/.test(name)),
      ['float.onnx', 'one.onnx', 'one.onnx.report.html'],
    )
  })

  it("a metric of one's own is scored without labels, paired in compare, with its unit", async () => {
    write(
      'largest.mjs',
      'export default { name: "largest", unit: "logits", score: ({ outputs }) => Math.max(...outputs.logits.data) }',
    )
    const own = ['--data', calibration, '--samples', '16', '--metric', 'largest.mjs', '--json', '--quiet']
    const scored = JSON.parse((await shared.run('evaluate', 'model.onnx', ...own)).stdout)
    assert.deepEqual(Object.keys(scored.metric).sort(), ['interval', 'name', 'samples', 'unit', 'value'])
    const same = JSON.parse((await shared.run('compare', 'model.onnx', 'link.onnx', ...own)).stdout)
    assert.deepEqual([same.metric.name, same.metric.difference, same.metric.samples], ['largest', 0, 16])
    assert.deepEqual(same.metric.interval, { low: 0, high: 0 })
    assert.equal(same.metric.before, scored.metric.value)
    assert.deepEqual([same.exact, same.agreement, same.sqnrDb], [true, 1, { logits: null }])
    assert.ok(same.layers.length > 5 && same.layers.every((layer: { sqnrDb: unknown }) => layer.sqnrDb === null))
  })

  it('a run folder holds recipe, events, report, page, statistics and model; recipe and statistics give the same bytes again', async () => {
    const given = ['--data', calibration, '--samples', '8', '--run', 'first', '--quiet']
    const first = await shared.run('quantize', 'small.onnx', ...given)
    assert.equal(first.status, 0, first.stderr)
    assert.deepEqual(readdirSync(join(folder, 'first')).sort(), [
      'events.jsonl',
      'model.onnx',
      'recipe.json',
      'report.html',
      'report.json',
      'statistics.json',
      'status.json',
    ])
    const stored = ['--statistics', 'first/statistics.json', '-o', 'stored.onnx', '--no-report', '--quiet']
    assert.equal((await shared.run('quantize', 'small.onnx', ...stored)).status, 0)
    assert.deepEqual(readFileSync(join(folder, 'stored.onnx')), readFileSync(join(folder, 'first/model.onnx')))
    const again = await shared.run('run', 'first/recipe.json', '--run', 'again', '--quiet')
    assert.equal(again.status, 0, again.stderr)
    assert.deepEqual(readFileSync(join(folder, 'again/model.onnx')), readFileSync(join(folder, 'first/model.onnx')))
    const events = readFileSync(join(folder, 'first/events.jsonl'), 'utf8').trimEnd().split('\n')
    assert.ok(
      events.every((line) => Object.keys(JSON.parse(line)).join() === 'step,done,total,at' || JSON.parse(line).message),
    )
  })

  const interrupted = (times: number) =>
    new Promise<{ code: number | null; signal: string | null; stdout: string }>((done) => {
      const args = [
        'quantize',
        'model.onnx',
        '--data',
        resolve('demo/test.json'),
        '--samples',
        '300',
        '-o',
        'stopped.onnx',
      ]
      const child = spawn(process.execPath, [program, ...args], { cwd: folder, env })
      let stdout = ''
      let signals = 0
      child.stdout.on('data', (text) => (stdout += text))
      // The first line of progress that says it computes.
      child.stderr.on('data', (text) => {
        if (!/calibrate|compare/.test(String(text)) || signals > 0) return
        while (signals++ < times) setTimeout(() => child.kill('SIGINT'), 30 * signals)
      })
      child.on('exit', (code, signal) => done({ code, signal, stdout }))
    })

  it('Ctrl-C ends with exit code 130 and leaves nothing', async () => {
    assert.deepEqual(await interrupted(1), { code: 130, signal: null, stdout: '' })
    assert.deepEqual(
      readdirSync(folder).filter((name) => name.startsWith('stopped')),
      [],
    )
    assert.deepEqual(readdirSync(temporary), [])
  })

  it('a second Ctrl-C ends at once, by the signal, and leaves nothing', async () => {
    const { code, signal, stdout } = await interrupted(2)
    assert.ok(signal === 'SIGINT' || code === 130, `${code} ${signal}`)
    assert.equal(stdout, '')
    assert.deepEqual(
      readdirSync(folder).filter((name) => name.startsWith('stopped')),
      [],
    )
    assert.deepEqual(readdirSync(temporary), [])
  })
})
