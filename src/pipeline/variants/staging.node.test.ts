import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, readdirSync, rmSync, utimesSync, writeFileSync } from 'node:fs'
import { hostname, tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, it } from 'node:test'
import { withStaging } from './staging.node.ts'

const root = mkdtempSync(join(tmpdir(), 'staging-'))
after(() => rmSync(root, { recursive: true }))

function folderWith(name: string, staged: string): { readonly folder: string; readonly left: string } {
  const folder = join(root, name)
  const left = join(folder, staged)
  mkdirSync(left, { recursive: true })
  writeFileSync(join(left, 'model_q8.onnx'), 'half')
  return { folder, left }
}

const write = (staging: string) => Promise.resolve(writeFileSync(join(staging, 'model_q4.onnx'), 'whole'))

describe('files that appear together', () => {
  it('take the place of what a killed run left', async () => {
    // No process has this number: it is above what Linux gives out.
    const { folder } = folderWith('killed', `.onnxpress.${hostname()}.4194999.tmp`)
    await withStaging(folder, write)
    assert.deepEqual(readdirSync(folder), ['model_q4.onnx'])
  })

  it('leave alone what a running process, or one on another machine, is at', async () => {
    for (const [name, owner] of [
      ['running', `${hostname()}.${process.ppid}`],
      ['elsewhere', 'another.host.4194999'],
    ] as const) {
      const { folder } = folderWith(name, `.onnxpress.${owner}.tmp`)
      await withStaging(folder, write)
      assert.deepEqual(readdirSync(folder).sort(), [`.onnxpress.${owner}.tmp`, 'model_q4.onnx'])
    }
  })

  it('remove what another machine left days ago', async () => {
    const { folder, left } = folderWith('old', '.onnxpress.another.host.7.tmp')
    const then = new Date(Date.now() - 48 * 3600e3)
    utimesSync(left, then, then)
    await withStaging(folder, write)
    assert.deepEqual(readdirSync(folder), ['model_q4.onnx'])
  })

  it('are gone when the work fails', async () => {
    const folder = join(root, 'failed')
    mkdirSync(folder)
    await assert.rejects(
      withStaging(folder, async (staging) => {
        await write(staging)
        throw new Error('no')
      }),
      /no/,
    )
    assert.deepEqual(readdirSync(folder), [])
  })
})
