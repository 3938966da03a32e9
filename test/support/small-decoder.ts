// A decoder of one layer with random weights as transformers.js loads it: alone or behind an encoder, with a cache or without, or both in an If.
import { randomStream } from '../../src/base/index.ts'
import {
  type Attribute,
  floatAttr,
  type Graph,
  intAttr,
  intsAttr,
  type Model,
  makeModel,
  makeNode,
  type Node,
  Tensor,
  type ValueInfo,
} from '../../src/onnx/index.ts'
import { smallVocabulary } from './small-tokenizer.ts'

const WIDTH = 32
const INNER = 64

export interface SmallDecoder {
  /** Does it read what an encoder made? */
  readonly behind: 'encoder' | 'nothing'
  /** none: it has no past; needed: it takes one, and what was made of the encoder with it; both: it takes one that may be empty; merged: an If chooses. */
  readonly past: 'none' | 'needed' | 'both' | 'merged'
}

/** input_ids [batch, sequence] (and what else it needs) → logits [batch, sequence, 16], present.0.… */
export function smallDecoder(kind: SmallDecoder): Model {
  const inputs = inputsOf(kind)
  const tensors: Record<string, Tensor> = {}
  const nodes: Node[] = []
  const outputs = outputsOf(kind)
  if (kind.past === 'merged') {
    const branch = (past: 'none' | 'needed'): Graph => {
      const builder = new Builder(tensors, `${past}/`)
      builder.decoder({ ...kind, past })
      const names = outputs.map((output) => ({ ...output, name: `${past}/${output.name}` }))
      return {
        ...{
          name: past,
          nodes: builder.nodes,
          initializers: new Map(),
          inputs: [],
          outputs: names,
          valueInfo: new Map(),
        },
      }
    }
    const attributes = {
      then_branch: { type: 'graph', value: branch('needed') },
      else_branch: { type: 'graph', value: branch('none') },
    } as const
    nodes.push(
      makeNode({
        ...{ opType: 'If', name: 'cached', inputs: ['use_cache_branch'], outputs: outputs.map(({ name }) => name) },
        attributes,
      }),
    )
  } else {
    const builder = new Builder(tensors, '')
    builder.decoder(kind)
    nodes.push(...builder.nodes)
  }
  const model = makeModel({ name: 'decoder', nodes, inputs, outputs, initializers: tensors })
  return { ...model, opsets: new Map([['', 17]]) }
}

function inputsOf({ behind, past }: SmallDecoder): ValueInfo[] {
  const cache = (part: string, length: string) =>
    ['key', 'value'].map((name) => ({
      ...{ name: `past_key_values.0.${part}${name}`, dtype: 'float32' as const },
      shape: ['batch', 1, length, WIDTH],
    }))
  const [encoder, own] = behind === 'encoder' ? ['encoder.', 'decoder.'] : ['', '']
  return [
    { name: 'input_ids', dtype: 'int64', shape: ['batch', 'sequence'] },
    ...(behind === 'encoder'
      ? ([
          { name: 'encoder_attention_mask', dtype: 'int64', shape: ['batch', 'encoded'] },
          ...(past === 'needed'
            ? []
            : [{ name: 'encoder_hidden_states', dtype: 'float32', shape: ['batch', 'encoded', WIDTH] }]),
        ] as ValueInfo[])
      : []),
    ...(past === 'none' ? [] : cache(own ?? '', 'past_sequence_length')),
    ...(behind === 'encoder' && (past === 'needed' || past === 'merged') ? cache(encoder ?? '', 'past_encoded') : []),
    ...(past === 'merged' ? [{ name: 'use_cache_branch', dtype: 'bool' as const, shape: [1] }] : []),
  ]
}

function outputsOf({ behind, past }: SmallDecoder): ValueInfo[] {
  const parts = behind === 'nothing' ? [''] : past === 'needed' ? ['decoder.'] : ['decoder.', 'encoder.']
  return [
    { name: 'logits', dtype: 'float32', shape: ['batch', 'sequence', smallVocabulary] },
    ...parts.flatMap((part) =>
      ['key', 'value'].map((name) => ({
        ...{ name: `present.0.${part}${name}`, dtype: 'float32' as const },
        shape: ['batch', 1, `${part}total`, WIDTH],
      })),
    ),
  ]
}

class Builder {
  readonly nodes: Node[] = []
  readonly #tensors: Record<string, Tensor>
  readonly #prefix: string

  /** Weights are the same whatever is built around them. */
  constructor(tensors: Record<string, Tensor>, prefix: string) {
    this.#tensors = tensors
    this.#prefix = prefix
  }

  decoder({ behind, past }: SmallDecoder): void {
    const [encoder, own] = behind === 'encoder' ? ['encoder.', 'decoder.'] : ['', '']
    const x = this.#op('Gather', [this.#weights('word', [smallVocabulary, WIDTH], 1), 'input_ids'])
    const joined = (name: string) => {
      const fresh = this.#heads(this.#dense(x, `self.${name}`, WIDTH, WIDTH))
      const before = past === 'none' ? undefined : `past_key_values.0.${own}${name}`
      const all = before === undefined ? fresh : this.#op('Concat', [before, fresh], { axis: intAttr(2) })
      return this.#output(all, `present.0.${own}${name}`)
    }
    const [keys, values] = [joined('key'), joined('value')]
    let seen = this.#norm(this.#op('Add', [x, this.#attention(x, keys, values, 'self', this.#causal(keys))]), 'self')
    if (behind === 'encoder') {
      const cross = (name: string) => {
        const stored = `past_key_values.0.${encoder}${name}`
        if (past !== 'needed')
          return this.#output(
            this.#heads(this.#dense('encoder_hidden_states', `cross.${name}`, WIDTH, WIDTH)),
            `present.0.${encoder}${name}`,
          )
        return this.#prefix === '' ? stored : this.#output(stored, `present.0.${encoder}${name}`)
      }
      const [key, value] = [cross('key'), cross('value')]
      seen = this.#norm(this.#op('Add', [seen, this.#attention(seen, key, value, 'cross', this.#padding())]), 'cross')
    }
    const inner = this.#op('Relu', [this.#dense(seen, 'inner', WIDTH, INNER)])
    const last = this.#norm(this.#op('Add', [seen, this.#dense(inner, 'outer', INNER, WIDTH)]), 'last')
    this.#output(this.#op('MatMul', [last, this.#weights('head', [WIDTH, smallVocabulary], 1)]), 'logits')
  }

  #attention(x: string, keys: string, values: string, name: string, mask: string): string {
    const queries = this.#heads(this.#dense(x, `${name}.query`, WIDTH, WIDTH))
    const turned = this.#op('Transpose', [keys], { perm: intsAttr([0, 1, 3, 2]) })
    const scaled = this.#op('Mul', [this.#op('MatMul', [queries, turned]), this.#number(1 / Math.sqrt(WIDTH))])
    const shares = this.#op('Softmax', [this.#op('Add', [scaled, mask])], { axis: intAttr(-1) })
    const seen = this.#op('Squeeze', [this.#op('MatMul', [shares, values]), this.#ints('one', 1)])
    return this.#dense(seen, `${name}.output`, WIDTH, WIDTH)
  }

  /** 0 where a key is no later than the query, −10,000 elsewhere. */
  #causal(keys: string): string {
    const size = (value: string, axis: number) =>
      this.#op('Gather', [this.#op('Shape', [value]), this.#scalar(axis)], { axis: intAttr(0) })
    const total = size(keys, 2)
    const before = this.#op('Sub', [total, size('input_ids', 1)])
    const range = (from: string) => this.#op('Range', [from, total, this.#scalar(1)])
    const rows = this.#op('Unsqueeze', [range(before), this.#ints('one', 1)])
    const late = this.#op('Greater', [range(this.#scalar(0)), rows])
    return this.#op('Where', [late, this.#number(-10000), this.#number(0)])
  }

  #padding(): string {
    const open = this.#op('Unsqueeze', ['encoder_attention_mask', this.#ints('both', 1, 2)])
    const shut = this.#op('Sub', [this.#number(1), this.#op('Cast', [open], { to: intAttr(1) })])
    return this.#op('Mul', [shut, this.#number(-10000)])
  }

  #heads(x: string): string {
    return this.#op('Unsqueeze', [x, this.#ints('one', 1)])
  }

  #dense(x: string, name: string, from: number, to: number): string {
    const product = this.#op('MatMul', [x, this.#weights(`${name}.weight`, [from, to], 1 / Math.sqrt(from))])
    return this.#op('Add', [product, this.#weights(`${name}.bias`, [to], 0.1)])
  }

  #norm(x: string, name: string): string {
    const gain = this.#constant(`${name}.gain`, () => Tensor.from('float32', [WIDTH], new Float32Array(WIDTH).fill(1)))
    const shift = this.#weights(`${name}.shift`, [WIDTH], 0.1)
    return this.#op('LayerNormalization', [x, gain, shift], { axis: intAttr(-1), epsilon: floatAttr(1e-5) })
  }

  #op(opType: string, inputs: readonly string[], attributes: Readonly<Record<string, Attribute>> = {}): string {
    const output = `${this.#prefix}${opType}_${this.nodes.length}`
    this.nodes.push(makeNode({ opType, name: output, inputs: [...inputs], outputs: [output], attributes }))
    return output
  }

  #output(value: string, name: string): string {
    const output = `${this.#prefix}${name}`
    this.nodes.push(makeNode({ opType: 'Identity', name: `${output}/out`, inputs: [value], outputs: [output] }))
    return value
  }

  #weights(name: string, shape: readonly number[], deviation: number): string {
    const random = randomStream(0, `small decoder ${name}`)
    const size = shape.reduce((a, b) => a * b, 1)
    const values = () => Float32Array.from({ length: size }, () => deviation * random.normal())
    return this.#constant(name, () => Tensor.from('float32', shape, values()))
  }

  #number(value: number): string {
    return this.#constant(`number ${value}`, () => Tensor.from('float32', [], [value]))
  }

  #scalar(value: number): string {
    return this.#constant(`integer ${value}`, () => Tensor.from('int64', [], [value]))
  }

  #ints(name: string, ...values: number[]): string {
    return this.#constant(`axes ${name}`, () => Tensor.from('int64', [values.length], values))
  }

  #constant(name: string, make: () => Tensor): string {
    this.#tensors[name] ??= make()
    return name
  }
}
