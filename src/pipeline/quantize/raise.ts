// More bits where they matter: layers of few bits get 8, and the loudest grids stay float, as many as a promise takes. What corrections
// found of all others is kept.
import { report, throwIfCancelled, type Watch } from '../../base/index.ts'
import type { Model, Shapes } from '../../onnx/index.ts'
import {
  type Corrections,
  correctionsIn,
  type GridFamily,
  gridFamilies,
  integerWeightGrid,
  layersIn,
  onRanges,
  type Plan,
  planOfFamilies,
  type QuantizeOptions,
  slotsOf,
  switchable,
} from '../../quantize/index.ts'
import { type Runtime, withSession } from '../../runtime/index.ts'
import type { Built } from './build.ts'
import type { SplitBatch } from './calibration-samples.ts'
import { macShares } from './float-choices.ts'
import { Judge, noiseIn, type Score } from './judge.ts'

/** What can be raised: the bits of a layer's weight, or a grid to float. */
interface Raise {
  readonly bits?: string
  readonly float?: GridFamily
  /** Noise that it takes from the outputs, as a share of their signal. */
  readonly noise: number
  /** Bytes, and time as bytes: a hundredth of the multiplications in float counts as a hundredth of the file. */
  readonly price: number
}

export interface RaiseJob {
  readonly runtime: Runtime
  readonly float: Model
  readonly shapes: Shapes
  readonly built: Built
  readonly options: QuantizeOptions
  /** Samples that nothing was fitted to. */
  readonly validation: readonly SplitBatch[]
  /** What becomes of a quantised model in its file. */
  readonly written: (model: Model) => Model
  /** Are few bits stored in few? In int8, raised weights take no more room. */
  readonly few: boolean
  readonly watch: Watch
}

/** A quantised model with some of it raised. */
export interface Raised {
  readonly model: Model
  readonly plan: Plan
  /** Layers that got 8 bits. */
  readonly bits: readonly string[]
  /** Values that stay float. */
  readonly values: readonly string[]
}

/** What it costs to bring a model nearer, cheapest decibels first; measured once, taken as far as it is asked for. */
export class Raiser {
  readonly #job: RaiseJob
  #ranked: Promise<readonly Raise[]> | undefined
  #judge: Promise<Judge> | undefined
  #before: Promise<Score> | undefined

  constructor(job: RaiseJob) {
    this.#job = job
  }

  /** The fewest raises that gain so much SQNR on the judge's samples, in dB; undefined when not even all of them do. */
  async by(gainDb: number): Promise<Raised | undefined> {
    const { runtime, float, built, validation, written, watch } = this.#job
    this.#judge ??= Judge.on(runtime, float, validation, written)
    const judge = await this.#judge
    this.#before ??= judge.score(built.model, watch)
    const asked = (await this.#before).db + gainDb
    this.#ranked ??= rank(this.#job, judge)
    const ranked = await this.#ranked
    const reaches = async (count: number) => {
      throwIfCancelled(watch.signal)
      report(watch, { step: 'raise', done: count, total: ranked.length })
      return (await judge.score(raise(this.#job, ranked.slice(0, count)).model, watch)).db >= asked
    }
    let [low, high] = [0, 1]
    while (high < ranked.length && !(await reaches(high))) [low, high] = [high, Math.min(ranked.length, high * 2)]
    if (high >= ranked.length && !(await reaches(ranked.length))) return undefined
    while (low + 1 < high) {
      const middle = Math.floor((low + high) / 2)
      if (await reaches(middle)) high = middle
      else low = middle
    }
    return raise(this.#job, ranked.slice(0, high))
  }
}

/** Bits that take no room still cost what they were asked for. */
const FREE = 50

/** Everything that can be raised, what brings most for its price first. */
async function rank({ runtime, float, shapes, built, few, watch }: RaiseJob, judge: Judge): Promise<readonly Raise[]> {
  const { plan } = built
  const layers = layersIn(float, plan.placement.layers)
  const macs = macShares(layers, shapes)
  const sizes = new Map(layers.map(({ name, weight }) => [name, weight.size]))
  const sum = (of: ReadonlyMap<string, number>, names: Iterable<string>) =>
    [...names].reduce((all, name) => all + (of.get(name) ?? 0), 0)
  const allBytes = sum(sizes, sizes.keys())
  const form = switchable(float, plan)
  const options = { simulate: true, label: 'the model with a switch for each grid' }
  return withSession(runtime, form.model, options, async (session) => {
    const noiseOf = async (kind: 'weights' | 'activation', names: readonly string[]) => {
      const own = new Set(form.switches.filter((each) => each.kind === kind && names.includes(each.name)))
      return own.size === 0 ? 0 : noiseIn(await judge.comparisonOn(session, form.feeds(own), watch))
    }
    const raises: Raise[] = []
    for (const [name, bits] of plan.weightBits)
      if (bits < fullBits(plan) && plan.weights.has(name))
        raises.push({
          bits: name,
          noise: await noiseOf('weights', [name]),
          price: (sizes.get(name) ?? 0) / (few ? 2 : FREE),
        })
    for (const family of gridFamilies(plan, float.graph.nodes)) {
      const noise = (await noiseOf('activation', family.values)) + (await noiseOf('weights', family.consumers))
      const share = sum(macs, family.layers)
      raises.push({
        float: family,
        noise,
        price: 3 * sum(sizes, family.consumers) + share * allBytes + allBytes / 1000,
      })
    }
    return raises.toSorted((a, b) => b.noise / b.price - a.noise / a.price)
  })
}

/** Bits that a weight has which was raised. */
const fullBits = ({ placement }: Plan) => placement.target.weightBits ?? 8

function raise({ float, built, options }: RaiseJob, raises: readonly Raise[]): Raised {
  const bits = raises.flatMap((each) => each.bits ?? [])
  const gone = new Set(raises.flatMap((each) => each.float ?? []).flatMap(({ values }) => values))
  const layers = new Map(layersIn(float, built.plan.placement.layers).map((layer) => [layer.name, layer]))
  const weights = new Map(built.plan.weights)
  const weightBits = new Map(built.plan.weightBits)
  for (const name of bits) {
    const layer = layers.get(name)
    if (!layer) continue
    const input = built.plan.activations.get(layer.node.inputs[0] ?? '')
    weights.set(name, integerWeightGrid(layer, options, { bits: fullBits(built.plan), input }))
    weightBits.set(name, fullBits(built.plan))
  }
  const left = gridFamilies(built.plan, float.graph.nodes).filter(
    ({ values }) => !values.some((value) => gone.has(value)),
  )
  const plan = planOfFamilies({ ...built.plan, weights, weightBits }, left)
  const kept = without(
    correctionsIn(built.model, built.plan),
    built.model,
    (name) => plan.weights.has(name) && !bits.includes(name),
  )
  return { ...onRanges(float, kept, plan, plan), bits, values: [...gone] }
}

/** The corrections of some layers alone. */
function without({ biases, constants }: Corrections, corrected: Model, keeps: (layer: string) => boolean): Corrections {
  const dropped = new Set<string>()
  for (const [name, { codes, bias }] of slotsOf(corrected)) {
    if (keeps(name)) continue
    dropped.add(codes)
    if (bias && 'float' in bias) dropped.add(bias.float)
  }
  return {
    biases: new Map([...biases].filter(([name]) => keeps(name))),
    constants: new Map([...constants].filter(([name]) => !dropped.has(name))),
  }
}
