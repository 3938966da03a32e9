// Models drawn in one line, "x[N,8,5,5] -> Conv 3x3 8->10 pads=1,1,1,1 -> BatchNormalization -> y", seeded.
import { InputError } from '../../src/base/index.ts'
import { type Random, randomStream } from '../../src/math/index.ts'
import {
  type Attribute,
  type DType,
  floatAttr,
  intAttr,
  intsAttr,
  type Model,
  makeNode,
  stringAttr,
  Tensor,
} from '../../src/onnx/index.ts'
import { floatTensor } from '../../src/rewrite/float-tensor.ts'

export interface TinyOptions {
  readonly opset?: number
  readonly seed?: number
  /** Element type of weights, inputs and outputs. */
  readonly dtype?: DType
}

/**
 * Builds a model. Chains are separated by ";", steps by " -> ". A step that begins with a capital is an operator, any
 * other names the value so far; a chain begins with an input "x[N,8]" or values "a,b". Values that nobody reads, or
 * marked "a!", are outputs. Behind an operator: a kernel "3x3", channels "8->10" (of a BatchNormalization "10", else
 * those so far), "nobias", attributes "group=2", a second output "and:b", and inputs: "floats[8,1,1]" (random),
 * "ints(0,-1)", "number(0.5)", or "=name" for a value.
 */
export function tinyModel(drawing: string, options: TinyOptions = {}): Model {
  const builder = new Builder(drawing, options)
  for (const chain of drawing.split(';')) builder.chain(chain.trim().split(' -> '))
  return builder.finish()
}

class Builder {
  readonly #random: Random
  readonly #dtype: DType
  readonly #model: Model
  readonly #read = new Set<string>()
  readonly #outputs = new Set<string>()
  readonly #marked = new Set<string>()
  #channels = 0
  #count = 0

  constructor(drawing: string, { opset = 17, seed = 0, dtype = 'float32' }: TinyOptions) {
    this.#random = randomStream(seed, drawing)
    this.#dtype = dtype
    const graph = { name: 'tiny', nodes: [], initializers: new Map(), inputs: [], outputs: [], valueInfo: new Map() }
    this.#model = {
      irVersion: opset < 9 ? 4 : opset < 15 ? 7 : 10,
      opsets: new Map([['', opset]]),
      producer: 'tiny',
      metadata: new Map([['drawing', drawing]]),
      graph,
      notes: [],
    }
  }

  chain([first = '', ...steps]: string[]): void {
    let current = this.#begin(first)
    for (const [index, step] of steps.entries()) {
      if (!/^[A-Z]/.test(step)) {
        if (step.endsWith('!')) this.#marked.add(step.slice(0, -1))
        continue
      }
      const next = steps[index + 1]
      const name = next && !/^[A-Z]/.test(next) ? next.replace('!', '') : `v${++this.#count}`
      this.#node(step.split(' '), current, name)
      current = [name]
    }
  }

  finish(): Model {
    const { graph } = this.#model
    for (const name of this.#outputs)
      if (!this.#read.has(name) || this.#marked.has(name)) graph.outputs.push({ name, dtype: this.#dtype })
    return this.#model
  }

  #begin(text: string): string[] {
    const input = /^(\w+)\[(.*)\]$/.exec(text)
    if (!input) return text.split(',')
    const [, name = '', dims = ''] = input
    const shape = dims === '' ? [] : dims.split(',').map((dim) => (/^\d+$/.test(dim) ? Number(dim) : dim))
    this.#channels = Number(shape[1] ?? 0)
    this.#model.graph.inputs.push({ name, dtype: this.#dtype, shape })
    return [name]
  }

  #node([opType = '', ...words]: string[], inputs: string[], output: string): void {
    const attributes: Record<string, Attribute> = {}
    const extra: string[] = []
    const outputs = [output]
    let kernel: number[] = []
    let channels: number[] | undefined
    for (const word of words) {
      const [key = '', value = ''] = word.split('=')
      if (/^\d+(x\d+)*$/.test(word)) kernel = word.split('x').map(Number)
      else if (word.includes('->')) channels = word.split('->').map(Number)
      else if (word.startsWith('and:')) outputs.push(word.slice('and:'.length))
      else if (word.startsWith('=')) extra.push(word.slice(1))
      else if (word.includes('=')) attributes[key] = attributeOf(value)
      else if (word !== 'nobias') extra.push(this.#constant(word, output))
    }
    const [from = 0, to = 0] = channels ?? []
    const weights = channels ? this.#weights(opType, from, to, kernel, attributes, words, output) : []
    if (opType.endsWith('Pool') && kernel.length > 0) attributes['kernel_shape'] = intsAttr(kernel)
    if (opType === 'BatchNormalization') weights.push(...this.#normParameters(output, kernel[0] ?? this.#channels))
    if (channels) this.#channels = to
    const all = [...inputs, ...weights, ...extra]
    for (const name of all) this.#read.add(name)
    this.#outputs.add(output)
    this.#model.graph.nodes.push(makeNode({ opType, name: `${opType}_${output}`, inputs: all, outputs, attributes }))
  }

  #weights(
    opType: string,
    from: number,
    to: number,
    kernel: readonly number[],
    attributes: Record<string, Attribute>,
    words: readonly string[],
    output: string,
  ): string[] {
    const groups = attributes['group']?.type === 'int' ? Number(attributes['group'].value) : 1
    const transposed = attributes['transB']?.type === 'int' && attributes['transB'].value === 1n
    let shape = transposed ? [to, from] : [from, to]
    if (opType === 'Conv') shape = [to, from / groups, ...kernel]
    if (opType === 'ConvTranspose') shape = [from, to / groups, ...kernel]
    const weight = this.#add(`${output}_weight`, shape)
    return opType === 'MatMul' || words.includes('nobias') ? [weight] : [weight, this.#add(`${output}_bias`, [to])]
  }

  /** Scales of both signs and one zero; variances between 0.2 and 2. */
  #normParameters(output: string, count: number): string[] {
    const scale = Array.from({ length: count }, (_, c) => (c === 1 ? 0 : this.#random.normal()))
    return [
      this.#put(`${output}_scale`, [count], scale),
      this.#add(`${output}_shift`, [count]),
      this.#add(`${output}_mean`, [count]),
      this.#put(
        `${output}_variance`,
        [count],
        Array.from({ length: count }, () => this.#random.uniform(0.2, 2)),
      ),
    ]
  }

  #constant(word: string, output: string): string {
    const [, kind = '', list = ''] = /^(\w+)[[(](.*)[\])]$/.exec(word) ?? []
    const name = `${output}_${kind}${this.#count++}`
    const numbers = list === '' ? [] : list.split(',').map(Number)
    if (kind === 'floats') return this.#add(name, numbers)
    if (kind === 'number') return this.#put(name, [], numbers)
    if (kind !== 'ints') throw new InputError(`tiny model: "${word}" is not a word of a drawing`)
    this.#model.graph.initializers.set(name, Tensor.from('int64', [numbers.length], numbers))
    return name
  }

  #add(name: string, shape: readonly number[]): string {
    const size = shape.reduce((product, dim) => product * dim, 1)
    return this.#put(name, shape, Array.from({ length: size }, this.#random.normal))
  }

  #put(name: string, shape: readonly number[], values: readonly number[]): string {
    this.#model.graph.initializers.set(name, floatTensor(this.#dtype, shape, values))
    return name
  }
}

function attributeOf(value: string): Attribute {
  if (/^[A-Za-z]/.test(value)) return stringAttr(value)
  const numbers = value.split(',').map(Number)
  if (value.includes('.')) return value.includes(',') ? { type: 'floats', value: numbers } : floatAttr(numbers[0] ?? 0)
  // "axes=2," is a list of one.
  return value.includes(',')
    ? intsAttr(numbers.slice(0, value.endsWith(',') ? -1 : numbers.length))
    : intAttr(numbers[0] ?? 0)
}
