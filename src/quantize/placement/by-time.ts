// Which of the nodes that could run in integers are faster in float, conversions at every border between the two included.
import { type DType, layerOf, type Model, type Node, nodeName } from '../../onnx/index.ts'
import { type Border, cheapestSides } from '../../search/index.ts'
import type { QuantizeOptions } from '../options.ts'
import type { Placement } from './placement.ts'
import { Scope } from './scope.ts'

/** Milliseconds by the name of a node. */
export type NodeMilliseconds = Readonly<Record<string, number>>

/** How long everything takes in both forms, in milliseconds. */
export interface FormTimes {
  readonly float: NodeMilliseconds
  readonly integer: NodeMilliseconds
  /** What it takes to bring a value onto its grid, and back. */
  readonly quantize: (value: string) => number
  readonly dequantize: (value: string) => number
}

/** A part of the nodes in float, the others in integers. */
export interface Part {
  /** Names of the nodes that stay float. */
  readonly floats: ReadonlySet<string>
  /** All nodes that could run in integers, with the borders. */
  readonly milliseconds: number
}

/** A value with a grid: who makes it, and who reads it. */
interface Crossing {
  readonly value: string
  /** Undefined: a node that is float in any case, or nobody. */
  readonly maker: number | undefined
  /** Those that could run in integers. */
  readonly readers: readonly number[]
  /** Is it read in float in any case? */
  readonly floatReader: boolean
  /** Has the maker an integer kernel that gives it in float? */
  readonly comesInFloat: boolean
}

/** The choice between both forms for every node of a placement. */
export class Forms {
  readonly #members: readonly Node[]
  /** Each with what is fused into it. */
  readonly #names: readonly (readonly string[])[]
  readonly #crossings: readonly Crossing[]

  constructor(model: Model, placement: Placement, options: QuantizeOptions, types: ReadonlyMap<string, DType>) {
    const scope = new Scope(model, options, types)
    this.#members = scope.nodes.filter((node) => placement.integer.has(nodeName(node)))
    const makers = new Map<string, number>()
    this.#names = this.#members.map((node, index) => {
      const layer = placement.layers.has(nodeName(node)) ? layerOf(node, scope.constants) : undefined
      const results = scope.results(node, layer)
      for (const result of results) makers.set(result, index)
      return [nodeName(node), ...fusedInto(scope, node, results[0] ?? '')]
    })
    const places = new Map(this.#members.map((node, index) => [node, index]))
    this.#crossings = [...placement.tensors.keys()].map((value) => {
      const consumers = scope.consumers.get(value) ?? []
      const takes = (node: Node) => places.has(node) && scope.dataInputs(node).includes(value)
      const maker = makers.get(value)
      const made = maker === undefined ? undefined : this.#members[maker]
      return {
        value,
        maker,
        readers: [...new Set(consumers.filter(takes))].flatMap((node) => places.get(node) ?? []),
        floatReader:
          scope.outputs.has(value) || scope.readInside.has(value) || consumers.some((consumer) => !takes(consumer)),
        comesInFloat: made !== undefined && scope.role(made)?.output === 'optional',
      }
    })
  }

  /** The part that takes least time: an exact minimum over all of them. */
  fastest(times: FormTimes): Part {
    const first = this.#names.map((names) => sum(names, times.integer))
    const second = this.#names.map((names) => sum(names, times.float))
    const borders: Border[] = []
    // Whoever reads a value in integers needs its codes, which are made once for all of them; and the other way round.
    const helper = (alone: number) => {
      first.push(alone)
      return second.push(0) - 1
    }
    for (const { value, maker, readers, floatReader, comesInFloat } of this.#crossings) {
      const back = comesInFloat ? 0 : times.dequantize(value)
      if (readers.length > 0) {
        const codes = helper(maker === undefined ? times.quantize(value) : 0)
        for (const reader of readers) borders.push({ from: reader, to: codes, cost: TOGETHER })
        if (maker !== undefined) borders.push({ from: codes, to: maker, cost: times.quantize(value) })
      }
      if (maker === undefined) continue
      if (floatReader) first[maker] = (first[maker] ?? 0) + back
      else {
        const all = helper(0)
        borders.push({ from: maker, to: all, cost: back })
        for (const reader of readers) borders.push({ from: all, to: reader, cost: TOGETHER })
      }
    }
    const sides = cheapestSides({ first, second, borders })
    const floats = new Set(this.#members.flatMap((node, index) => (sides[index] ? [] : [nodeName(node)])))
    return { floats, milliseconds: this.milliseconds(floats, times) }
  }

  /** What all nodes take that could run in integers, with those of a part in float. */
  milliseconds(floats: ReadonlySet<string>, times: FormTimes): number {
    const inFloat = this.#members.map((node) => floats.has(nodeName(node)))
    const nodes = this.#names.reduce(
      (total, names, index) => total + sum(names, inFloat[index] ? times.float : times.integer),
      0,
    )
    return nodes + this.borders(floats, times)
  }

  /** The conversions among it. */
  borders(floats: ReadonlySet<string>, times: Pick<FormTimes, 'quantize' | 'dequantize'>): number {
    const inFloat = this.#members.map((node) => floats.has(nodeName(node)))
    let total = 0
    for (const { value, maker, readers, floatReader, comesInFloat } of this.#crossings) {
      const made = maker !== undefined && !inFloat[maker]
      if (!made && readers.some((reader) => !inFloat[reader])) total += times.quantize(value)
      if (made && !comesInFloat && (floatReader || readers.some((reader) => inFloat[reader])))
        total += times.dequantize(value)
    }
    return total
  }
}

/** More than anything takes. */
const TOGETHER = 1e12

const sum = (names: readonly string[], times: NodeMilliseconds): number =>
  names.reduce((total, name) => total + (times[name] ?? 0), 0)

/** The bias and the activation between a node and what it hands on. */
function fusedInto(scope: Scope, node: Node, result: string): string[] {
  const names: string[] = []
  let value = node.outputs[0] ?? ''
  while (value !== result) {
    const next = scope.consumers.get(value)?.[0]
    if (!next || names.length > 2) break
    names.push(nodeName(next))
    value = next.outputs[0] ?? ''
  }
  return names
}
