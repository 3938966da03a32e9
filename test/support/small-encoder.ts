// A BERT of two layers with random weights, and the folder in which transformers.js finds it.
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { randomStream } from '../../src/base/index.ts'
import {
  type Attribute,
  floatAttr,
  intAttr,
  intsAttr,
  type Model,
  makeModel,
  makeNode,
  type Node,
  Tensor,
  writeModel,
} from '../../src/onnx/index.ts'
import { smallVocabulary, writeTokenizer } from './small-tokenizer.ts'

const WIDTH = 32
const INNER = 64
const LONGEST = 64

/** input_ids, attention_mask, token_type_ids [batch, sequence] → last_hidden_state [batch, sequence, 32]. */
export function smallEncoder(layers = 2): Model {
  return new Builder().encoder(layers)
}

class Builder {
  readonly #random = randomStream(0, 'small encoder')
  readonly #nodes: Node[] = []
  readonly #tensors: Record<string, Tensor> = {}

  encoder(layers: number): Model {
    const ids = this.#op('Gather', [this.#weights('word', [smallVocabulary, WIDTH], 1), 'input_ids'])
    const types = this.#op('Gather', [this.#weights('type', [2, WIDTH], 0.5), 'token_type_ids'])
    let x = this.#norm(this.#op('Add', [ids, types]), 'embedded')
    const mask = this.#mask()
    for (let layer = 0; layer < layers; layer++) x = this.#layer(x, mask, `layer.${layer}`)
    this.#nodes.push(makeNode({ opType: 'Identity', inputs: [x], outputs: ['last_hidden_state'] }))
    const input = (name: string) => ({ name, dtype: 'int64' as const, shape: ['batch', 'sequence'] })
    const model = makeModel({
      name: 'encoder',
      nodes: this.#nodes,
      inputs: ['input_ids', 'attention_mask', 'token_type_ids'].map(input),
      outputs: [{ name: 'last_hidden_state', dtype: 'float32', shape: ['batch', 'sequence', WIDTH] }],
      initializers: this.#tensors,
    })
    return { ...model, opsets: new Map([['', 17]]) }
  }

  /** (1 − mask) · −10,000, [batch, 1, sequence]. */
  #mask(): string {
    const open = this.#op('Unsqueeze', ['attention_mask', this.#constant(Tensor.from('int64', [1], [1]))])
    const float = this.#op('Cast', [open], { to: intAttr(1) })
    const shut = this.#op('Sub', [this.#number(1), float])
    return this.#op('Mul', [shut, this.#number(-10000)])
  }

  #layer(x: string, mask: string, name: string): string {
    const [q = '', k = '', v = ''] = ['query', 'key', 'value'].map((part) =>
      this.#dense(x, `${name}.${part}`, WIDTH, WIDTH),
    )
    const turned = this.#op('Transpose', [k], { perm: intsAttr([0, 2, 1]) })
    const scaled = this.#op('Mul', [this.#op('MatMul', [q, turned]), this.#number(1 / Math.sqrt(WIDTH))])
    const shares = this.#op('Softmax', [this.#op('Add', [scaled, mask])], { axis: intAttr(-1) })
    const seen = this.#dense(this.#op('MatMul', [shares, v]), `${name}.output`, WIDTH, WIDTH)
    const attended = this.#norm(this.#op('Add', [x, seen]), `${name}.attention`)
    const inner = this.#op('Relu', [this.#dense(attended, `${name}.inner`, WIDTH, INNER)])
    return this.#norm(this.#op('Add', [attended, this.#dense(inner, `${name}.outer`, INNER, WIDTH)]), name)
  }

  #dense(x: string, name: string, from: number, to: number): string {
    const product = this.#op('MatMul', [x, this.#weights(`${name}.weight`, [from, to], 1 / Math.sqrt(from))])
    return this.#op('Add', [product, this.#weights(`${name}.bias`, [to], 0.1)])
  }

  #norm(x: string, name: string): string {
    const [gain, bias] = [this.#ones(`${name}.gain`), this.#weights(`${name}.shift`, [WIDTH], 0.1)]
    return this.#op('LayerNormalization', [x, gain, bias], { axis: intAttr(-1), epsilon: floatAttr(1e-5) })
  }

  #op(opType: string, inputs: readonly string[], attributes: Readonly<Record<string, Attribute>> = {}): string {
    const output = `${opType}_${this.#nodes.length}`
    this.#nodes.push(makeNode({ opType, name: output, inputs: [...inputs], outputs: [output], attributes }))
    return output
  }

  #weights(name: string, shape: readonly number[], deviation: number): string {
    const size = shape.reduce((a, b) => a * b, 1)
    return this.#constant(
      Tensor.from(
        'float32',
        shape,
        Float32Array.from({ length: size }, () => deviation * this.#random.normal()),
      ),
      name,
    )
  }

  #ones(name: string): string {
    return this.#constant(Tensor.from('float32', [WIDTH], new Float32Array(WIDTH).fill(1)), name)
  }

  #number(value: number): string {
    return this.#constant(Tensor.from('float32', [], [value]))
  }

  #constant(tensor: Tensor, name = `constant_${Object.keys(this.#tensors).length}`): string {
    this.#tensors[name] = tensor
    return name
  }
}

/** Sentences of the small tokenizer's words, one a line. */
export function smallSentences(count: number): string {
  const words = ['the', 'cat', 'dog', 'sat', 'ran', 'home', 'fast', 'faster', 'a', 'big', 'old']
  const random = randomStream(1, 'sentences')
  const sentence = () =>
    Array.from({ length: random.integer(2, 9) }, () => words[random.integer(0, words.length - 1)]).join(' ')
  return `${Array.from({ length: count }, sentence).join('\n')}\n`
}

/** Writes a folder as the Hugging Face hub has it: config.json, a tokenizer, onnx/model.onnx, and sentences.txt. */
export function writeSmallHub(folder: string, model: Model = smallEncoder()): string {
  const config = {
    ...{ model_type: 'bert', architectures: ['BertModel'], hidden_size: WIDTH, num_hidden_layers: 2 },
    ...{ num_attention_heads: 1, vocab_size: smallVocabulary, max_position_embeddings: LONGEST },
  }
  writeTokenizer(folder, {
    'config.json': config,
    'tokenizer_config.json': { tokenizer_class: 'BertTokenizer', model_max_length: LONGEST },
  })
  mkdirSync(join(folder, 'onnx'))
  writeFileSync(join(folder, 'onnx', 'model.onnx'), writeModel(model))
  writeFileSync(join(folder, 'sentences.txt'), smallSentences(48))
  return folder
}
