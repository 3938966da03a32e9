// Adapters as a small file of their own: safetensors, with the names that peft gives them.
import { InputError, sizeOf } from '../../base/index.ts'
import { type Layer, layersOf, type Model, Tensor, withTensors } from '../../onnx/index.ts'
import type { Arrays } from '../loop/state.ts'
import type { Adapter } from './adapters.ts'
import { addProduct } from './merge.ts'

/** Where a tensor of the file lies: element type, sizes, and its bytes behind the header. */
interface Entry {
  readonly dtype: string
  readonly shape: readonly number[]
  readonly data_offsets: readonly [number, number]
}

type Named = ReadonlyMap<string, { readonly shape: readonly number[]; readonly data: Float32Array }>

/**
 * Trained adapters as the bytes of a safetensors file: `<layer>.lora_A.weight` [rank, inputs] and `<layer>.lora_B.weight`
 * [outputs, rank], to be added as B·A, and `<layer>.weight` [outputs, inputs] of a layer whose weight is among the
 * `trained` arrays itself.
 */
export function encodeAdapters(
  model: Model,
  adapters: readonly Adapter[],
  trained: ReadonlySet<string>,
  values: Arrays,
): Uint8Array {
  const tensors = new Map<string, { shape: readonly number[]; data: Float32Array }>()
  const add = (name: string, rows: number, columns: number, at: (row: number, column: number) => number) => {
    const data = Float32Array.from({ length: rows * columns }, (_, i) => at(Math.floor(i / columns), i % columns))
    tensors.set(name, { shape: [rows, columns], data })
  }
  for (const { layers, inputs, outputs, rank, down, up } of adapters) {
    const [a, b, name] = [values.get(down), values.get(up), layers[0]?.name ?? '']
    add(`${name}.lora_A.weight`, rank, inputs, (r, i) => a?.[i * rank + r] ?? 0)
    add(`${name}.lora_B.weight`, outputs, rank, (o, r) => b?.[r * outputs + o] ?? 0)
  }
  for (const { name, node, weightIndex, view } of layersOf(model)) {
    const weight = values.get(node.inputs[weightIndex] ?? '')
    if (!view || !weight || !trained.has(node.inputs[weightIndex] ?? '')) continue
    const at = (o: number, i: number) => weight[view.offset(o) + i * view.inputStride] ?? 0
    add(`${name}.weight`, view.outputs, view.inputsPerGroup, at)
  }
  return encodeSafetensors(tensors)
}

/**
 * The model with the adapters of a file merged into its layers, found by the names of their nodes.
 * @throws InputError when it is not a file of adapters, or is one of another model
 */
export function withAdapterFile(model: Model, bytes: Uint8Array, file = 'the adapters'): Model {
  const tensors = decodeSafetensors(bytes, file)
  const layers = new Map(layersOf(model).map((layer) => [layer.name, layer]))
  const merged = new Map<string, Tensor>()
  for (const [name, tensor] of tensors) {
    const [, layerName = '', part = ''] = /^(.*?)(\.lora_A|\.lora_B|)\.weight$/s.exec(name) ?? []
    if (part === '.lora_B') continue
    const up = part === '' ? tensor : tensors.get(`${layerName}.lora_B.weight`)
    const layer = layers.get(layerName)
    if (!up || !layer?.view || !fits(layer, part, tensor.shape, up.shape))
      throw new InputError(
        `cannot merge ${file}: "${name}" [${tensor.shape}] ${layer?.view ? `does not fit layer "${layerName}" of ${layer.view.outputs} outputs and ${layer.view.inputsPerGroup} inputs` : 'belongs to no layer of the model'}; are these its adapters?`,
        { file, tensor: name },
      )
    const { view, weight } = layer
    const values = weight.floats().slice()
    if (part === '')
      for (let i = 0; i < tensor.data.length; i++) {
        const [o, column] = [Math.floor(i / view.inputsPerGroup), i % view.inputsPerGroup]
        values[view.offset(o) + column * view.inputStride] = tensor.data[i]!
      }
    else {
      const rank = tensor.shape[0] ?? 0
      addProduct(values, view, {
        rank,
        a: (i, r) => tensor.data[r * view.inputsPerGroup + i]!,
        b: (r, o) => up.data[o * rank + r]!,
      })
    }
    merged.set(layer.node.inputs[layer.weightIndex] ?? '', Tensor.from('float32', weight.shape, values))
  }
  return withTensors(model, merged)
}

function fits({ view }: Layer, part: string, first: readonly number[], second: readonly number[]): boolean {
  const rank = part === '' ? view?.outputs : second[1]
  return first[0] === rank && first[1] === view?.inputsPerGroup && second[0] === view?.outputs
}

function encodeSafetensors(tensors: Named): Uint8Array {
  const header: Record<string, Entry | Record<string, string>> = { __metadata__: { format: 'pt' } }
  let offset = 0
  for (const [name, { shape, data }] of tensors) {
    header[name] = { dtype: 'F32', shape, data_offsets: [offset, offset + data.byteLength] }
    offset += data.byteLength
  }
  const json = JSON.stringify(header)
  const text = new TextEncoder().encode(json)
  // The data begins at a multiple of 8 bytes.
  const padded = Math.ceil(text.length / 8) * 8
  const bytes = new Uint8Array(8 + padded + offset).fill(0x20, 8, 8 + padded)
  new DataView(bytes.buffer).setBigUint64(0, BigInt(padded), true)
  bytes.set(text, 8)
  let at = 8 + padded
  for (const { data } of tensors.values()) {
    bytes.set(new Uint8Array(data.buffer, data.byteOffset, data.byteLength), at)
    at += data.byteLength
  }
  return bytes
}

function decodeSafetensors(bytes: Uint8Array, file: string): Named {
  const refuse = (what: string) =>
    new InputError(`cannot read ${file}: ${what}; is it a safetensors file of adapters?`, { file })
  if (bytes.length < 8) throw refuse('it has no header')
  const length = Number(new DataView(bytes.buffer, bytes.byteOffset).getBigUint64(0, true))
  if (length > bytes.length - 8) throw refuse(`its header has ${length} bytes, the file ${bytes.length}`)
  let header: Record<string, Entry>
  try {
    header = JSON.parse(new TextDecoder().decode(bytes.subarray(8, 8 + length))) as Record<string, Entry>
  } catch {
    throw refuse('its header is not JSON')
  }
  const tensors = new Map<string, { shape: readonly number[]; data: Float32Array }>()
  for (const [name, entry] of Object.entries(header)) {
    if (name === '__metadata__') continue
    const [from, to] = entry.data_offsets
    // A copy of its own: `slice` of a Buffer is a view, which may lie at any offset.
    const data = new Uint8Array(bytes.subarray(8 + length + from, 8 + length + to))
    if (entry.dtype !== 'F32' || data.byteLength !== 4 * sizeOf(entry.shape))
      throw refuse(`"${name}" is ${entry.dtype} [${entry.shape}] in ${data.byteLength} bytes, expected F32`)
    tensors.set(name, { shape: entry.shape, data: new Float32Array(data.buffer) })
  }
  return tensors
}
