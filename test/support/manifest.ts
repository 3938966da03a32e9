// The models of the shared manifest and the samples that belong to each, for tests and benchmarks.
import assert from 'node:assert/strict'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { isValueType, makeArray, setElement, sizeOf, type TensorValue } from '../../src/base/index.ts'
import { randomStream } from '../../src/math/index.ts'
import { parseRecipe, type QuantizeRecipe } from '../../src/pipeline/index.ts'
import type { Values } from '../../src/runtime/index.ts'

export const sharedFolder: string = process.env['ONNXPRESS_SHARED'] ?? '../shared'
const manifest = join(sharedFolder, 'models', 'manifest.json')

/** Why tests over real models skip, or false when the models are there. */
export const noModels: string | false = existsSync(manifest)
  ? false
  : `no models at ${manifest}; everything that needs none is tested`

export interface ManifestEntry {
  readonly file: string
  readonly task: string
  readonly expect: string
  readonly loads: boolean
  readonly metric: string | null
  readonly inputs: readonly { readonly name: string }[]
  readonly outputs: readonly { readonly name: string }[]
  readonly preprocess: Readonly<Record<string, unknown>> | null
  readonly data: { readonly path: string; readonly samples: number } | null
  readonly example: { readonly feeds: Readonly<Record<string, ExampleFeed>> } | null
}

/** One input of an example, as the manifest describes it. */
interface ExampleFeed {
  readonly dtype: string
  readonly shape: number[]
  readonly fill: 'uniform' | 'integers' | 'constant'
  readonly low?: number
  readonly high?: number
  readonly value?: number
}

/** The example of a model, seeded. */
export function exampleFeeds({ example }: Pick<ManifestEntry, 'example'>): Values {
  const feeds: Record<string, TensorValue> = {}
  for (const [name, { dtype, shape, fill, low = 0, high = 1, value = 0 }] of Object.entries(example?.feeds ?? {})) {
    assert.ok(isValueType(dtype), dtype)
    const random = randomStream(0, name)
    const data = makeArray(dtype, sizeOf(shape))
    const draw = {
      constant: () => value,
      integers: () => random.integer(low, high),
      uniform: () => random.uniform(low, high),
    }
    for (let i = 0; i < data.length; i++) setElement(data, i, draw[fill]())
    feeds[name] = { dtype, dims: shape, data }
  }
  return feeds
}

export function manifestEntries(): readonly ManifestEntry[] {
  return noModels ? [] : (JSON.parse(readFileSync(manifest, 'utf8')) as ManifestEntry[])
}

/** Word in the data's path → samples to calibrate on and, where there are other ones, to score. */
const sets: Readonly<Record<string, readonly [string, string?]>> = {
  imagenet: ['imagenet-even/dataset.json'],
  cifar10: ['cifar10/train.json', 'cifar10/test.json'],
  mnist: ['mnist/train.json', 'mnist/test.json'],
  kws: ['kws/calibration.json', 'kws/test.json'],
  magika: ['magika/dataset.json'],
  babyllama: ['babyllama/samples.json', 'babyllama/stories.json'],
}

/** Are there samples to score besides those to calibrate on? */
export function hasOwnTestSet({ data }: ManifestEntry): boolean {
  return Object.entries(sets).some(([word, paths]) => data?.path.includes(word) === true && paths.length > 1)
}

/** A recipe for a model of the manifest; a model without data gets random inputs of its example's shapes. */
export function recipeFor(entry: ManifestEntry, more: Partial<QuantizeRecipe> = {}): QuantizeRecipe {
  const set = Object.entries(sets).find(([word]) => entry.data?.path.includes(word))?.[1]
  const path = (name: string) => join(sharedFolder, 'data', name)
  const feeds = Object.entries(entry.example?.feeds ?? {}).filter(([, feed]) => feed.shape.length > 0)
  const recipe = parseRecipe('quantize', {
    model: join(sharedFolder, 'models', entry.file),
    ...(set
      ? { data: path(set[0]) }
      : { data: 'random', shape: Object.fromEntries(feeds.map(([name, feed]) => [name, feed.shape])) }),
    ...(set?.[1] ? { val: path(set[1]) } : {}),
    ...(entry.preprocess && 'scale' in entry.preprocess ? { preprocess: entry.preprocess } : {}),
    ...more,
  })
  return recipe
}
