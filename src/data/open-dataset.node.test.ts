import assert from 'node:assert/strict'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { gzipSync } from 'node:zlib'
import sharp from 'sharp'
import { InputError } from '../base/index.ts'
import { openDataset, readPreprocess } from './open-dataset.node.ts'

const planes = [{ name: 'x', dtype: 'float32', shape: ['N', 1, 2, 2] }]
const tokens = [{ name: 'ids', dtype: 'int64', shape: ['N', 3] }]
const pictures = [{ name: 'x', dtype: 'float32', shape: ['N', 3, 8, 8] }]

describe('openDataset', () => {
  let folder = ''
  const at = (name: string) => join(folder, name)
  async function put(name: string, content: string | Uint8Array | object): Promise<string> {
    await mkdir(dirname(at(name)), { recursive: true })
    const plain = typeof content === 'string' || content instanceof Uint8Array
    await writeFile(at(name), plain ? content : JSON.stringify(content))
    return at(name)
  }
  async function picture(name: string, red: number, orientation?: number): Promise<string> {
    const image = sharp({ create: { width: 12, height: 10, channels: 3, background: { r: red, g: 0, b: 0 } } })
    return put(name, await (orientation ? image.withMetadata({ orientation }).jpeg() : image.png()).toBuffer())
  }

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'samples-'))
  })
  after(() => rm(folder, { recursive: true }))

  describe('pictures', () => {
    it('in a folder are samples in sorted order, prepared as the notes say', async () => {
      await picture('flat/b.png', 20)
      await picture('flat/a.png', 10)
      await put('flat/readme.txt', 'no picture')
      const data = await openDataset(at('flat'), { inputs: pictures, preprocess: { scale: 1 } })
      assert.deepEqual(
        [data.name, data.size, data.hasLabels, data.id(0), data.id(1)],
        ['flat', 2, false, 'a.png', 'b.png'],
      )
      const { inputs, label } = await data.sample(1)
      assert.deepEqual(inputs['x']?.dims, [1, 3, 8, 8])
      assert.equal(inputs['x']?.data[0], 20)
      assert.equal(label, undefined)
      assert.deepEqual([data.preprocess?.crop, data.preprocess?.resizeShortSide], [8, 9])
      assert.match(data.notes.join(), /size of the pictures was assumed/)
    })

    it('in class folders have the sorted position of their folder as label', async () => {
      await picture('classes/dog/1.png', 1)
      await picture('classes/cat/deep/2.png', 2)
      const data = await openDataset(at('classes'), { inputs: pictures })
      assert.deepEqual([data.hasLabels, data.classes, data.classNames], [true, 2, ['cat', 'dog']])
      assert.deepEqual([data.id(0), (await data.sample(0)).label], ['cat/deep/2.png', 0])
      assert.deepEqual((await data.sample(1)).label, 1)
    })

    it('ignore EXIF orientation, or follow it when asked; the notes count them', async () => {
      const file = await picture('turned/a.jpg', 9, 6)
      const preprocess = { scale: 1 }
      const dynamic = [{ name: 'x', dtype: 'float32', shape: ['N', 3, null, null] }]
      const size = { ...preprocess, resizeShortSide: 10 }
      const stored = await openDataset(file, { inputs: dynamic, preprocess: size })
      assert.deepEqual((await stored.sample(0)).inputs['x']?.dims, [1, 3, 10, 12])
      assert.match(stored.notes.join(), /1 picture had an EXIF orientation, which was ignored/)
      const upright = await openDataset(file, { inputs: dynamic, preprocess: size, exif: true })
      assert.deepEqual((await upright.sample(0)).inputs['x']?.dims, [1, 3, 12, 10])
      assert.match(upright.notes.join(), /which was applied/)
      assert.equal(upright.preprocess?.exifOrientation, 'apply')
    })

    it('of a description have the labels and names of its CSV', async () => {
      await picture('described/a.png', 1)
      await picture('described/b.png', 2)
      await put('described/l.csv', 'file,label,name\nb.png,2,bee\na.png,0,ant')
      const labels = { format: 'csv', file: 'l.csv', key: 'file', column: 'label', names: 'name' }
      const file = await put('described/d.json', { format: 'images', files: '*.png', labels, classes: 3 })
      const data = await openDataset(file, { inputs: pictures })
      assert.deepEqual([(await data.sample(0)).label, (await data.sample(1)).label], [0, 2])
      assert.deepEqual(data.classNames, ['ant', '1', 'bee'])
    })

    it('that are smaller than the crop are named', async () => {
      const file = await picture('small/a.png', 1)
      const data = await openDataset(file, {
        inputs: [{ name: 'x', dtype: 'float32', shape: [1, 3, 64, 64] }],
        preprocess: { crop: 64 },
      })
      await assert.rejects(data.sample(0), /small.a\.png is 12x10 where a square of 64/)
    })
  })

  describe('numbers', () => {
    it('of a raw block are read by row, with labels from another', async () => {
      await put(
        'raw/x.bin',
        Uint8Array.from({ length: 12 }, (_, index) => index),
      )
      await put('raw/y.bin', Uint8Array.of(5, 6, 7))
      const labels = { format: 'raw', file: 'y.bin', dtype: 'uint8' }
      const file = await put('raw/d.json', {
        format: 'raw',
        file: 'x.bin',
        dtype: 'uint8',
        shape: [3, 2, 2],
        rows: [1, 3],
        labels,
      })
      const data = await openDataset(file, { inputs: planes, preprocess: { scale: 2 } })
      assert.deepEqual([data.size, data.id(0)], [2, 'x.bin#1'])
      const { inputs, label } = await data.sample(0)
      assert.deepEqual([...inputs['x']!.data], [8, 10, 12, 14])
      assert.deepEqual([inputs['x']!.dims, label], [[1, 1, 2, 2], 6])
    })

    it('of tokens are labelled with the next token', async () => {
      await put('tokens/x.bin', new Uint8Array(Int32Array.of(1, 5, 9, 1, 6, 8).buffer))
      const file = await put('tokens/d.json', {
        format: 'raw',
        file: 'x.bin',
        dtype: 'int32',
        shape: [2, 3],
        labels: { format: 'next-token' },
      })
      const data = await openDataset(file, { inputs: tokens })
      const { inputs, label } = await data.sample(1)
      assert.deepEqual([...inputs['ids']!.data], [1n, 6n, 8n])
      assert.deepEqual(label, [6, 8, -1])
    })

    it('of records are cut out at their offsets', async () => {
      await put('records/x.bin', Uint8Array.of(1, 10, 11, 12, 13, 0, 20, 21, 22, 23))
      const description = {
        format: 'records',
        file: 'x.bin',
        recordBytes: 5,
        sample: { offset: 1, dtype: 'uint8', shape: [1, 2, 2] },
        label: { offset: 0, dtype: 'uint8' },
        classes: 2,
      }
      const data = await openDataset(await put('records/d.json', description), { inputs: planes })
      assert.deepEqual(
        [data.size, (await data.sample(0)).label, [...(await data.sample(1)).inputs['x']!.data]],
        [2, 1, [20, 21, 22, 23]],
      )
    })

    it('of idx files are big-endian, gzipped or not', async () => {
      const images = Uint8Array.of(
        0,
        0,
        11,
        3,
        0,
        0,
        0,
        2,
        0,
        0,
        0,
        2,
        0,
        0,
        0,
        2,
        0,
        1,
        0,
        2,
        0,
        3,
        0,
        4,
        1,
        0,
        0,
        6,
        0,
        7,
        0,
        8,
      )
      await put('idx/x.gz', gzipSync(images))
      await put('idx/y', Uint8Array.of(0, 0, 8, 1, 0, 0, 0, 2, 3, 4))
      const file = await put('idx/d.json', {
        format: 'idx',
        file: 'x.gz',
        sampleShape: [1, 2, 2],
        labels: { format: 'idx', file: 'y' },
      })
      const data = await openDataset(file, { inputs: planes })
      const { inputs, label } = await data.sample(1)
      assert.deepEqual([[...inputs['x']!.data], label], [[256, 6, 7, 8], 4])
      assert.equal((await openDataset(at('idx/x.gz'), { inputs: planes })).size, 2)
    })

    it('of .npy files are recognised by their first bytes', async () => {
      const header = "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 1, 2, 2)}\n"
      const head = Uint8Array.of(0x93, 78, 85, 77, 80, 89, 1, 0, header.length, 0, ...new TextEncoder().encode(header))
      const values = new Uint8Array(Float32Array.of(1, 2, 3, 4, 5, 6, 7, 8.5).buffer)
      const file = await put('x.npy', Uint8Array.of(...head, ...values))
      const data = await openDataset(file, { inputs: planes, labels: await put('y.txt', '3\n1\n') })
      const { inputs, label } = await data.sample(1)
      assert.deepEqual([[...inputs['x']!.data], label], [[5, 6, 7, 8.5], 1])
    })

    it('for several inputs come from a description that names them', async () => {
      const inputs = [...planes, { name: 'rate', dtype: 'int64', shape: [] }]
      await put('two/x.bin', new Uint8Array(8))
      const file = await put('two/d.json', {
        format: 'raw',
        inputs: { x: { file: 'x.bin', dtype: 'uint8', shape: [2, 2, 2] }, rate: { constant: 16000 } },
      })
      const { inputs: values } = await (await openDataset(file, { inputs })).sample(0)
      assert.deepEqual([values['rate']?.dims, [...values['rate']!.data]], [[], [16000n]])
    })
  })

  describe('modules', () => {
    it('yield samples from a function, read again when an earlier one is asked for', async () => {
      const file = await put(
        'm/a.mjs',
        'export default async function* () { for (let i = 0; i < 3; i++) yield { value: Float32Array.of(i, i, i, i), label: i } }',
      )
      const data = await openDataset(file, { inputs: planes })
      assert.deepEqual([data.size, data.hasLabels], [3, true])
      for (const index of [2, 0, 1]) {
        const { inputs, label } = await data.sample(index)
        assert.deepEqual([inputs['x']!.dims, inputs['x']!.data[3], label], [[1, 1, 2, 2], index, index])
      }
    })

    it('may export a list, with values by input name and nested lists', async () => {
      const file = await put(
        'm/b.mjs',
        'export const samples = [{ inputs: { ids: [[1, 2, 3]] } }, { inputs: { ids: [4, 5, 6] } }]',
      )
      const data = await openDataset(file, { inputs: tokens })
      const values = await Promise.all([1, 0].map((index) => data.sample(index)))
      assert.deepEqual(
        values.map(({ inputs }) => [...inputs['ids']!.data]),
        [
          [4n, 5n, 6n],
          [1n, 2n, 3n],
        ],
      )
    })

    it('that export a generator are kept in memory, and the notes say so', async () => {
      const file = await put(
        'm/c.mjs',
        'function* all() { yield { value: [1, 2, 3] }; yield { value: [4, 5, 6] } }\nexport default all()',
      )
      const data = await openDataset(file, { inputs: tokens })
      assert.deepEqual([...(await data.sample(1)).inputs['ids']!.data], [4n, 5n, 6n])
      assert.match(data.notes.join(), /2 samples are kept in memory/)
    })

    it('are not read to be counted when they export their size', async () => {
      const file = await put(
        'm/d.mjs',
        'export const size = 1e9\nexport default function* () { for (;;) yield { value: [1, 2, 3] } }',
      )
      assert.equal((await openDataset(file, { inputs: tokens })).size, 1e9)
    })

    for (const [what, code, message] of [
      ['nothing usable', 'export default 5', /iterable or a function/],
      ['no samples', 'export default []', /yields 0 samples/],
      ['something else', 'export default [5]', /sample 0 must be \{ inputs/],
      ['another shape', 'export default [{ value: [1, 2] }]', /sample 0.*int64\[2\].*"ids" int64\[N,3\]/],
      ['an unknown input', 'export default [{ inputs: { x: [1] } }]', /"x".*inputs are ids/],
      ['a broken label', 'export default [{ value: [1, 2, 3], label: "a" }]', /label of sample 0/],
      ['a syntax error', 'export default [', /cannot load the module/],
    ] as const)
      it(`with ${what} are refused in one sentence`, async () => {
        const file = await put(`m/${what.replaceAll(' ', '-')}.mjs`, code)
        await assert.rejects(openDataset(file, { inputs: tokens }), (error) => {
          assert.ok(error instanceof InputError)
          assert.match(error.message, message)
          return true
        })
      })
  })

  describe('random', () => {
    const inputs = [
      { name: 'x', dtype: 'float16', shape: ['N', 3, 'h', 'w'] },
      { name: 'ids', dtype: 'int64', shape: ['N', 4] },
    ]

    it('makes the same values for the same seed, in the shapes given', async () => {
      const options = { inputs, seed: 7, shapes: { x: [1, 3, 5, 6] } }
      const one = await (await openDataset('random', options)).sample(3)
      const two = await (await openDataset('random', options)).sample(3)
      assert.deepEqual(one, two)
      assert.deepEqual([one.inputs['x']?.dtype, one.inputs['x']?.dims], ['float16', [1, 3, 5, 6]])
      const other = await (await openDataset('random', { ...options, seed: 8 })).sample(3)
      assert.notDeepEqual(one, other)
    })

    it('keeps wide integers at 0 and 1, and says that its ranges mean nothing', async () => {
      const data = await openDataset('random', { inputs, count: 2 })
      assert.equal(data.size, 2)
      assert.ok([...(await data.sample(0)).inputs['ids']!.data].every((id) => id === 0n || id === 1n))
      assert.match(data.notes[0] ?? '', /ranges from random inputs mean nothing/)
    })
  })

  describe('bad input', () => {
    const cases: readonly (readonly [string, () => Promise<string>, RegExp])[] = [
      ['a missing path', async () => at('nowhere'), /no samples at .*nowhere/],
      [
        'an empty folder',
        async () => dirname(await put('empty/notes.txt', '')),
        /no pictures in .*empty; expected \.jpg/,
      ],
      ['an unknown file', () => put('what.dat', 'hello'), /cannot tell what samples .*what\.dat/],
      ['not JSON', () => put('bad.json', '{'), /bad\.json: it is not valid JSON/],
      [
        'a glob that finds nothing',
        () => put('glob.json', { format: 'images', files: '*.jpg' }),
        /no pictures in .* match "\*\.jpg", which glob\.json asks for/,
      ],
      [
        'a raw file of another size',
        async () => {
          await put('short.bin', new Uint8Array(7))
          return put('short.json', { format: 'raw', file: 'short.bin', dtype: 'uint8', shape: [2, 2, 2] })
        },
        /short\.bin has 7 bytes, uint8\[2,2,2\] needs 8/,
      ],
      [
        'truncated records',
        async () => {
          await put('cut.bin', new Uint8Array(11))
          const sample = { offset: 1, dtype: 'uint8', shape: [1, 2, 2] }
          return put('cut.json', { format: 'records', file: 'cut.bin', recordBytes: 5, sample })
        },
        /cut\.bin has 11 bytes, which is 2 records of 5 and 1 bytes more/,
      ],
      [
        'rows that are not there',
        () => put('rows.json', { format: 'raw', file: 'short8.bin', dtype: 'uint8', shape: [2, 2, 2], rows: [0, 3] }),
        /rows 0 to 3, there are 2/,
      ],
      [
        'another shape than the model has',
        () => put('shape.json', { format: 'raw', file: 'short8.bin', dtype: 'uint8', shape: [1, 8] }),
        /short8\.bin has samples of uint8\[8\].*"x" float32\[N,1,2,2\]/,
      ],
    ]
    for (const [what, make, message] of cases)
      it(`${what} is one clear sentence`, async () => {
        await put('short8.bin', new Uint8Array(8))
        const path = await make()
        await assert.rejects(
          openDataset(path, {
            inputs: what.includes('glob') ? pictures : what === 'an empty folder' ? pictures : planes,
          }),
          (error) => {
            assert.ok(error instanceof InputError)
            assert.match(error.message, message)
            return true
          },
        )
      })

    it('a label outside the classes names the sample', async () => {
      await put('class.bin', Uint8Array.of(1, 2, 3, 4))
      const labels = { format: 'raw', file: 'class.bin', dtype: 'uint8', shape: [1, 4] }
      const file = await put('class.json', {
        format: 'raw',
        file: 'class.bin',
        dtype: 'uint8',
        shape: [1, 2, 2],
        labels,
        classes: 4,
      })
      await assert.rejects((await openDataset(file, { inputs: planes })).sample(0), /"class\.bin#0".*label 4.*0 to 3/)
    })

    it('a sample that is not there, and a cancelled read', async () => {
      const data = await openDataset('random', { inputs: planes })
      await assert.rejects(data.sample(64), /no sample 64 in random; it has 64/)
      await assert.rejects(data.sample(0, AbortSignal.abort()), /interrupted/)
    })
  })

  it('reads preprocessing by preset name or from a file', async () => {
    assert.equal((await readPreprocess('inception')).mean, 0.5)
    assert.deepEqual(await readPreprocess(await put('p.json', { crop: 3 })), { crop: 3 })
    await assert.rejects(readPreprocess(at('none.json')), InputError)
  })
})
