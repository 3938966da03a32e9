import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { tinyModel } from '../../../test/support/tiny-model.ts'
import { constantsOf, consumersOf, type Model, type Node, nodeName } from '../../onnx/index.ts'
import { quantizeDefaults } from '../../quantize/index.ts'
import type { Runtime, Session } from '../../runtime/index.ts'
import type { Timed } from '../node-times.ts'
import type { ProfilingClock } from './clock.ts'
import { fasterPlacement } from './prefer-speed.ts'

const drawing = 'x[N,4,8,8] -> Conv 1x1 4->8 -> Relu -> a; a -> Conv 1x1 8->8 -> Relu -> b; b -> Conv 1x1 8->4 -> y'
const model = tinyModel(drawing)
const layers = model.graph.nodes.filter(({ opType }) => opType === 'Conv').map(nodeName)
const x = { dtype: 'float32' as const, dims: [1, 4, 8, 8], data: new Float32Array(256) }
const given = { model, shapes: new Map(), feeds: { x }, batch: 1, usual: new Set<string>() }

/** Milliseconds of each layer in float and in integers, and of a conversion that nothing takes up. */
interface Machine {
  readonly float: readonly number[]
  readonly integer: readonly number[]
  readonly border: number
  /** What whole models take beyond their kernels in integers: something that no profile shows. */
  readonly hidden?: number
}

/** A clock that runs nothing: a machine that is as fast as it is told. */
function clockOf({ float, integer, border, hidden = 0 }: Machine): ProfilingClock {
  const kernels = ({ graph }: Model): Timed[] => {
    const constant = constantsOf(graph)
    const consumers = consumersOf(graph.nodes)
    const makers = new Map(graph.nodes.flatMap((node) => node.outputs.map((output) => [output, node] as const)))
    const isInteger = (node: Node | undefined) =>
      node?.opType === 'Conv' && makers.get(node.inputs[1] ?? '')?.opType === 'DequantizeLinear'
    const behind = (node: Node | undefined): Node | undefined =>
      node?.opType === 'Relu' ? makers.get(node.inputs[0] ?? '') : node
    return graph.nodes.flatMap((node): Timed[] => {
      const { opType: op } = node
      const name = nodeName(node)
      if (op === 'Conv') {
        const at = layers.indexOf(name)
        return [{ name, op, milliseconds: (isInteger(node) ? integer : float)[at] ?? 0 }]
      }
      if (op === 'QuantizeLinear') {
        const free = isInteger(behind(makers.get(node.inputs[0] ?? '')))
        return free ? [] : [{ name: 'q', op, milliseconds: border }]
      }
      if (op === 'DequantizeLinear' && !constant(node.inputs[0])) {
        const readers = consumers.get(node.outputs[0] ?? '') ?? []
        return readers.length > 0 && readers.every(isInteger) ? [] : [{ name: 'dq', op, milliseconds: border }]
      }
      return []
    })
  }
  const totals = new WeakMap<Session, number>()
  const runtime: Runtime = {
    name: 'a told machine',
    version: '1',
    threads: 3,
    notes: [],
    open: async (opened) => {
      assert.ok(!(opened instanceof Uint8Array))
      const sum = kernels(opened).reduce((total, { milliseconds }) => total + milliseconds, 0)
      const coded = opened.graph.nodes.some(({ opType }) => opType === 'QuantizeLinear')
      const session: Session = {
        ...{ inputs: [], outputs: [], outputTypes: {} },
        run: async () => ({}),
        close: async () => {},
      }
      totals.set(session, sum + (coded ? hidden : 0))
      return session
    },
    time: async (sessions) => ({ milliseconds: sessions.map((session) => [totals.get(session) ?? 0]) }),
    close: async () => {},
  }
  return { runtime, profile: async (profiled) => kernels(profiled) }
}

const chosen = async (machine: Machine) => fasterPlacement(clockOf(machine), given, quantizeDefaults, {})

describe('--prefer speed', () => {
  it('takes everything in integers where that is fastest', async () => {
    const choice = await chosen({ float: [2, 2, 2], integer: [1, 1, 1], border: 0.1 })
    assert.deepEqual([...(choice?.slowNodes ?? ['none'])], [])
    assert.deepEqual(choice?.speed.nodes, { able: 3, integer: 3 })
  })

  it('leaves what is slower in integers in float, and foretells what that takes', async () => {
    const choice = await chosen({ float: [4, 1, 4], integer: [2, 3, 2], border: 0.1 })
    assert.deepEqual([...(choice?.slowNodes?.keys() ?? [])], [layers[1]])
    const { floatMs, integerMs, predictedMs, chosenMs, ...rest } = choice!.speed
    assert.equal(floatMs, 9)
    assert.ok(Math.abs(integerMs - 7.2) < 1e-9)
    assert.ok(Math.abs(chosenMs - 5.4) < 1e-9)
    assert.ok(Math.abs(predictedMs - chosenMs) < 1e-9)
    assert.deepEqual(rest, {
      runtime: 'a told machine',
      threads: 3,
      batch: 1,
      nodes: { able: 3, integer: 2 },
    })
  })

  it('finds out what conversions cost where they cost more than alone', async () => {
    // Alone a conversion costs nothing; in the model it does.
    const machine: Machine = { float: [4, 1, 4], integer: [2, 2.5, 2], border: 0.9 }
    const clock = clockOf(machine)
    const alone: ProfilingClock = {
      ...clock,
      profile: async (profiled, feeds, rounds) => {
        const kernels = await clock.profile(profiled, feeds, rounds)
        return profiled.graph.nodes.length > 2 ? kernels : kernels.map((each) => ({ ...each, milliseconds: 0.01 }))
      },
    }
    const choice = await fasterPlacement(alone, given, quantizeDefaults, {})
    assert.deepEqual([...(choice?.slowNodes ?? ['none'])], [])
  })

  it('is the float model where no part in integers is faster, and where only kernels say so', async () => {
    const slow = await chosen({ float: [1, 1, 1], integer: [2, 2, 2], border: 0.1 })
    assert.equal(slow?.slowNodes, undefined)
    assert.deepEqual(slow?.speed.nodes, { able: 3, integer: 0 })
    assert.equal(slow?.speed.chosenMs, 3)
    const hidden = await chosen({ float: [2, 2, 2], integer: [1.5, 1.5, 1.5], border: 0.1, hidden: 2 })
    assert.equal(hidden?.slowNodes, undefined)
  })

  it('looks at what is known of the target, too', async () => {
    // A single node's time does not show what is gained: float convolutions beside each other keep their layout.
    const told = clockOf({ float: [4, 4, 4], integer: [3, 3, 3], border: 0 })
    const seen: number[] = []
    const clock: ProfilingClock = {
      ...told,
      profile: async (profiled, feeds, rounds) => {
        seen.push(profiled.graph.nodes.filter(({ opType }) => opType === 'QuantizeLinear').length)
        return told.profile(profiled, feeds, rounds)
      },
    }
    const choice = await fasterPlacement(clock, { ...given, usual: new Set(layers.slice(1)) }, quantizeDefaults, {})
    assert.ok(seen.includes(2), seen.join())
    assert.deepEqual([...(choice?.slowNodes ?? ['none'])], [])
  })

  it('is the float model where what was faster once is not so again', async () => {
    const clock = clockOf({ float: [2, 2, 2], integer: [1, 1, 1], border: 0.1 })
    let timings = 0
    const lucky: ProfilingClock = {
      ...clock,
      runtime: {
        ...clock.runtime,
        time: async (sessions, feeds, options) => {
          timings++
          const { milliseconds } = await clock.runtime.time(sessions, feeds, options)
          return { milliseconds: timings <= 3 ? milliseconds : milliseconds.map(() => [6]) }
        },
      },
    }
    const choice = await fasterPlacement(lucky, given, quantizeDefaults, {})
    assert.ok(timings > 3)
    assert.equal(choice?.slowNodes, undefined)
  })

  it('has nothing to say where nothing could run in integers', async () => {
    const relu = tinyModel('x[N,4] -> Relu -> y')
    const clock = clockOf({ float: [], integer: [], border: 0 })
    assert.equal(await fasterPlacement(clock, { ...given, model: relu }, quantizeDefaults, {}), undefined)
  })
})
