import assert from 'node:assert/strict'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import sharp from 'sharp'
import { InputError } from '../base/index.ts'
import { decodePicture } from './decode.node.ts'

/** Red 200, green 100, blue 50, 4 wide and 2 high. */
const flat = { create: { width: 4, height: 2, channels: 3, background: { r: 200, g: 100, b: 50 } } } as const

describe('decodePicture', () => {
  let folder = ''
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'pictures-'))
  })
  after(() => rm(folder, { recursive: true }))

  async function decode(name: string, bytes: Promise<Uint8Array>) {
    const file = join(folder, name)
    await writeFile(file, await bytes)
    return decodePicture(file)
  }

  // First: once sharp has been loaded, it stays.
  it('prints the install line when sharp is missing, and tries again the next time', async () => {
    const missing = async () => {
      throw new Error('Cannot find package')
    }
    await assert.rejects(decodePicture('x.png', missing), (error) => {
      assert.ok(error instanceof InputError)
      assert.match(error.message, /npm install sharp/)
      return true
    })
  })

  it('gives RGB, row by row', async () => {
    const { width, height, data, grey, orientation } = await decode('a.png', sharp(flat).png().toBuffer())
    assert.deepEqual([width, height, data.length, grey, orientation], [4, 2, 24, false, undefined])
    assert.deepEqual([...data.subarray(0, 6)], [200, 100, 50, 200, 100, 50])
  })

  it('drops alpha without blending it', async () => {
    const background = { r: 200, g: 100, b: 50, alpha: 0.5 }
    const clear = sharp({ create: { width: 4, height: 2, channels: 4, background } })
    assert.deepEqual([...(await decode('b.png', clear.png().toBuffer())).data.subarray(0, 3)], [200, 100, 50])
  })

  it('copies one channel into three, and says that it was grey', async () => {
    const { data, grey } = await decode('c.jpg', sharp(flat).toColourspace('b-w').jpeg().toBuffer())
    assert.ok(grey)
    assert.equal(data.length, 24)
    assert.equal(data[0], data[2])
  })

  it('brings 16-bit PNG and WebP to 8 bits', async () => {
    const wide = sharp(flat).toColourspace('rgb16').png().toBuffer()
    assert.deepEqual([...(await decode('d.png', wide)).data.subarray(0, 3)], [200, 100, 50])
    assert.equal((await decode('e.webp', sharp(flat).webp({ lossless: true }).toBuffer())).data[0], 200)
  })

  it('ignores a colour profile', async () => {
    const plain = await decode('f.png', sharp(flat).png().toBuffer())
    const tagged = await decode(
      'g.png',
      sharp(plain.data, { raw: { width: 4, height: 2, channels: 3 } })
        .withIccProfile('p3')
        .png()
        .toBuffer(),
    )
    const stored = await sharp(await readFile(join(folder, 'g.png')), { ignoreIcc: true })
      .raw()
      .toBuffer()
    assert.deepEqual([...tagged.data], [...stored])
    assert.notDeepEqual([...tagged.data], [...plain.data])
  })

  it('reports EXIF orientation without applying it', async () => {
    const { width, orientation } = await decode('h.jpg', sharp(flat).withMetadata({ orientation: 6 }).jpeg().toBuffer())
    assert.deepEqual([width, orientation], [4, 6])
  })

  it('names a file that is missing, no picture, or cut off', async () => {
    await assert.rejects(decodePicture(join(folder, 'none.jpg')), /none\.jpg/)
    await assert.rejects(
      decode('text.jpg', Promise.resolve(Buffer.from('hello'))),
      /cannot decode the picture .*text\.jpg/,
    )
    const noise = {
      create: { ...flat.create, width: 90, height: 90, noise: { type: 'gaussian', mean: 9, sigma: 9 } },
    } as const
    const bytes = await sharp(noise).png().toBuffer()
    await assert.rejects(decode('cut.png', Promise.resolve(bytes.subarray(0, bytes.length / 2))), InputError)
  })
})
