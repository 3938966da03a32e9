import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, it } from 'node:test'
import { InputError } from '../base/index.ts'
import { readStatus } from '../pipeline/index.node.ts'
import { folderStore, layOut, runFromStore, storeInput } from './index.node.ts'
import type { Job, StartFolder } from './queue.ts'

const folder = mkdtempSync(join(tmpdir(), 'onnxpress-store-'))
after(() => rmSync(folder, { recursive: true }))
const store = folderStore(join(folder, 'store'))
const refused = (what: RegExp) => (error: unknown) => error instanceof InputError && what.test(error.message)

async function* chunks(...texts: string[]): AsyncGenerator<Uint8Array> {
  for (const text of texts) yield Buffer.from(text)
}

async function textOf(key: string): Promise<string> {
  const read: Uint8Array[] = []
  for await (const chunk of store.get(key)) read.push(chunk)
  return Buffer.concat(read).toString()
}

/** A model with external data and a folder of samples, as files. */
function files(): { model: string; data: string } {
  const own = mkdtempSync(join(folder, 'files-'))
  mkdirSync(join(own, 'data', 'cat'), { recursive: true })
  writeFileSync(join(own, 'net.onnx'), 'the graph')
  writeFileSync(join(own, 'net.bin'), 'the weights')
  for (const path of ['labels.txt', 'cat/1.png', 'cat/2.png']) writeFileSync(join(own, 'data', path), `of ${path}`)
  return { model: join(own, 'net.onnx'), data: join(own, 'data') }
}

describe('a store in a folder', () => {
  it('keeps the same bytes once, under one key, however they come', async () => {
    const keys = await Promise.all([
      store.put(chunks('ab', 'c')),
      store.put(chunks('abc')),
      store.put(chunks('a', 'bc')),
    ])
    assert.equal(new Set(keys).size, 1)
    // The SHA-256 of "abc", from its standard (FIPS 180-2, appendix B.1).
    assert.equal(keys[0], 'sha256-ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad')
    assert.equal(await textOf(keys[0] ?? ''), 'abc')
    assert.deepEqual(readdirSync(join(folder, 'store')), [keys[0]])
  })

  it('has nothing of what did not come to its end', async () => {
    const broken = async function* () {
      yield* chunks('half')
      throw new Error('the line is cut')
    }
    const before = readdirSync(join(folder, 'store'))
    await assert.rejects(store.put(broken()), /the line is cut/)
    assert.deepEqual(readdirSync(join(folder, 'store')), before)
  })

  it('says what is missing, what is damaged, and what is no key', async () => {
    const key = await store.put(chunks('whole'))
    writeFileSync(join(folder, 'store', key), 'holed')
    await assert.rejects(textOf(key), refused(/is damaged/))
    await assert.rejects(textOf(`sha256-${'0'.repeat(64)}`), refused(/there is nothing under sha256-0/))
    await assert.rejects(textOf('../../etc/passwd'), refused(/is not a key of a store/))
  })
})

describe('the inputs of a job', () => {
  it('lie in another place as they lay in the first, and the recipe names them there', async () => {
    const { model, data } = files()
    const inputs = { model: await storeInput(store, model, ['net.bin']), data: await storeInput(store, data) }
    // What a broker carries.
    const job: Job = JSON.parse(JSON.stringify({ id: 'a', recipe: { command: 'quantize', samples: 8 }, inputs }))
    assert.ok(!JSON.stringify(job).includes(folder), 'a job names no place')
    const place = join(folder, 'elsewhere')
    await layOut(job, store, place)
    const recipe = JSON.parse(readFileSync(join(place, 'recipe.json'), 'utf8'))
    assert.deepEqual(Object.keys(recipe).sort(), ['command', 'data', 'model', 'samples'])
    assert.equal(readFileSync(recipe.model, 'utf8'), 'the graph')
    assert.equal(readFileSync(join(recipe.model, '../net.bin'), 'utf8'), 'the weights')
    assert.equal(readFileSync(join(recipe.data, 'cat/2.png'), 'utf8'), 'of cat/2.png')
    assert.equal((await readStatus(place))?.state, 'queued')
  })

  it('stay inside of the folder of the job, whatever a job says', async () => {
    const key = await store.put(chunks('x'))
    for (const path of ['../out', '/out', 'a/../../out', 'a\\b', './x', 'a//b'])
      for (const inputs of [
        { model: { files: { [path]: key }, main: '' } },
        { model: { files: { fine: key }, main: path } },
        { [path]: { files: { fine: key }, main: '' } },
      ])
        await assert.rejects(
          layOut({ id: 'b', recipe: {}, inputs }, store, join(folder, 'b')),
          refused(/a path below its folder was expected/),
          path,
        )
  })
})

describe('a job from a store', () => {
  /** Starts nothing, and ends when it is told to. */
  const recorded = () => {
    const log: string[] = []
    let end = () => {}
    const start: StartFolder = (path) => {
      log.push(`start ${JSON.parse(readFileSync(join(path, 'recipe.json'), 'utf8')).command}`)
      return {
        done: new Promise((resolve) => (end = resolve)),
        stop: (hard) => {
          log.push(hard ? 'kill' : 'stop')
          end()
        },
      }
    }
    return { log, start }
  }

  it('runs in a folder of its own once its inputs are there, and is stopped there', async () => {
    const { log, start } = recorded()
    const { model } = files()
    const job: Job = { id: 'c', recipe: { command: 'inspect' }, inputs: { model: await storeInput(store, model) } }
    const running = runFromStore({ store, folder, start })(job)
    while (log.length === 0) await new Promise((resolve) => setTimeout(resolve, 1))
    running.stop(false)
    await running.done
    assert.deepEqual(log, ['start inspect', 'stop'])
  })

  it('never starts when it was stopped before, or when an input is missing: its status says so', async () => {
    const { log, start } = recorded()
    const run = runFromStore({ store, folder, start })
    const early = run({ id: 'd', recipe: { command: 'inspect' } })
    early.stop(true)
    await early.done
    assert.equal((await readStatus(join(folder, 'd')))?.state, 'cancelled')
    const key = `sha256-${'1'.repeat(64)}`
    await run({ id: 'e', recipe: {}, inputs: { model: { files: { 'm.onnx': key }, main: 'm.onnx' } } }).done
    const status = await readStatus(join(folder, 'e'))
    assert.deepEqual([status?.state, status?.exitCode], ['failed', 3])
    assert.match(status?.message ?? '', /there is nothing under sha256-1/)
    assert.throws(() => run({ id: '../f', recipe: {} }), refused(/is not the id of a job/))
    assert.deepEqual(log, [])
  })
})
