// What float16 does to operators: types that stay float32, sums and squares inside, and large negative numbers that only mean "not this one".
import { sizeOf } from '../../base/index.ts'
import { intAttribute, stringAttribute } from '../attributes.ts'
import type { Node } from '../model.ts'
import { factsOf } from './index.ts'

const isOwn = ({ domain }: Node) => domain === '' || domain === 'ai.onnx'

/** Inputs and outputs that are float32 whatever the type of the others. */
const fixed: Readonly<Record<string, { readonly inputs?: readonly number[]; readonly outputs?: readonly number[] }>> = {
  Resize: { inputs: [1, 2] },
  Upsample: { inputs: [1] },
  LayerNormalization: { outputs: [1, 2] },
  SimplifiedLayerNormalization: { outputs: [1] },
}

/** Is an input float32 in every form of the operator? */
export function staysFloat32Input(node: Node, index: number): boolean {
  return isOwn(node) && fixed[node.opType]?.inputs?.includes(index) === true
}

/** The same of an output. */
export function staysFloat32Output(node: Node, index: number): boolean {
  return isOwn(node) && fixed[node.opType]?.outputs?.includes(index) === true
}

/** Does an attribute name the type of what is computed inside, and not of an output? */
export function isInnerType(attribute: string): boolean {
  return attribute === 'stash_type'
}

const scales: Readonly<Record<string, number>> = { DequantizeLinear: 1, MatMulNBits: 2, GatherBlockQuantized: 2 }

/** Is an input a factor of codes, of which every single number counts? */
export function isScaleOfCodes(node: Node, index: number): boolean {
  return scales[node.opType] === index
}

/** What is known of an operator's values: the largest magnitude and the size of each. */
export interface HalfSite {
  readonly node: Node
  readonly input: (index: number) => number | undefined
  readonly output: (index: number) => number | undefined
  readonly inputDims: (index: number) => readonly number[] | undefined
  readonly outputDims: (index: number) => readonly number[] | undefined
}

type Peak = (site: HalfSite) => number | undefined

const square = (value: number | undefined) => (value === undefined ? undefined : value * value)
/** A mean is a sum first. */
const mean: Peak = ({ output, inputDims, outputDims }) => {
  const [from, to, each] = [inputDims(0), outputDims(0), output(0)]
  return from && to && each !== undefined ? (each * sizeOf(from)) / Math.max(1, sizeOf(to)) : undefined
}
const squares: Peak = ({ input }) => square(input(0))
const squaresOfSum: Peak = ({ input }) => {
  const [a, b] = [input(0), input(1)]
  return a === undefined || b === undefined ? undefined : (a + b) ** 2
}
/** exp(x) of a largest x. */
const exponential: Peak = ({ input }) => {
  const largest = input(0)
  return largest === undefined ? undefined : Math.exp(largest)
}
/** A sum of as many numbers up to 1 as the axis is long. */
const softmax: Peak = ({ node, inputDims }) => inputDims(0)?.at(intAttribute(node, 'axis', -1))
const cube: Peak = ({ node, input }) => {
  const largest = input(0)
  if (largest === undefined) return undefined
  return node.opType !== 'Gelu' || stringAttribute(node, 'approximate', 'none') === 'tanh'
    ? 0.045 * largest ** 3
    : largest
}

const inside: Readonly<Record<string, Peak>> = {
  LayerNormalization: squares,
  RMSNormalization: squares,
  SimplifiedLayerNormalization: squares,
  InstanceNormalization: squares,
  GroupNormalization: squares,
  MeanVarianceNormalization: squares,
  LpNormalization: squares,
  SkipLayerNormalization: squaresOfSum,
  SkipSimplifiedLayerNormalization: squaresOfSum,
  ReduceL2: ({ output }) => square(output(0)),
  ReduceMean: mean,
  AveragePool: mean,
  GlobalAveragePool: mean,
  Softmax: softmax,
  LogSoftmax: softmax,
  Softplus: exponential,
  Mish: exponential,
  Gelu: cube,
  FastGelu: cube,
}

/** Has an operator values inside that can be larger than what goes in and comes out, and how large they are where that is known. */
export function peakInside(site: HalfSite): { readonly peak: number | undefined } | undefined {
  const rule = Object.hasOwn(inside, site.node.opType) ? inside[site.node.opType] : undefined
  return rule && { peak: rule(site) }
}

/**
 * What an operator makes of a number so low that it only stands for "not this one": Softmax absorbs it, others pass it on, and a
 * product does when the other factor is 0 or 1.
 */
export function useOfMask(node: Node): 'absorbs' | 'passes' | 'scales' | undefined {
  if (!isOwn(node)) return undefined
  if (node.opType === 'Softmax') return 'absorbs'
  if (node.opType === 'Mul') return 'scales'
  const joins = ['Add', 'Sum', 'Where', 'Concat', 'Min', 'Max'].includes(node.opType)
  return joins || factsOf(node).movesData ? 'passes' : undefined
}
