// A Clip whose bounds differ from channel to channel: scalars while they are equal, else Relu or Max, and Min.
import { floatAttr, type GraphEditor, type Node, type Shapes } from '../onnx/index.ts'
import { floatTensor } from './float-tensor.ts'

/** Bounds beyond this are "none" written as the largest float. */
export const NO_BOUND = 3.4e38

/** One bound for each channel of a value, or one for all. */
export interface ChannelBounds {
  /** The axis of the channels. */
  readonly axis: number
  readonly low: Float64Array
  readonly high: Float64Array
}

/**
 * Gives a Clip new bounds. All equal: the Clip gets scalars, of rank 0, since a bound of shape [1] stops ONNX Runtime's
 * fusion. Else a Relu (or Max) and a Min with constants [1, C, 1, …] of the value's rank; the last takes the Clip's place.
 */
export function boundChannels(editor: GraphEditor, node: Node, bounds: ChannelBounds, shapes: Shapes): void {
  const { low, high } = bounds
  const same = (values: Float64Array) => values.every((value) => value === values[0])
  if (same(low) && same(high)) setBounds(editor, node, low[0] ?? -Infinity, high[0] ?? Infinity)
  else replaceClip(editor, node, bounds, shapes)
}

function setBounds(editor: GraphEditor, node: Node, low: number, high: number): void {
  for (const [index, name, bound] of [
    [1, 'min', low],
    [2, 'max', high],
  ] as const) {
    const old = editor.constant(node.inputs[index])
    if (old && Number.isFinite(bound)) editor.setConstant(node, index, floatTensor(old.dtype, [], [bound]))
    else if (node.attributes.has(name)) node.attributes.set(name, floatAttr(bound))
  }
}

function replaceClip(editor: GraphEditor, node: Node, { low, high, axis }: ChannelBounds, shapes: Shapes): void {
  const output = node.outputs[0] ?? ''
  const shape = shapes.get(output)
  if (!shape) throw new Error(`the rank of "${output}" was never observed`)
  const after = Array<number>(Math.max(0, shape.dims.length - axis - 1)).fill(1)
  const dtype = editor.constant(node.inputs[2])?.dtype ?? editor.constant(node.inputs[1])?.dtype ?? shape.dtype
  const bound = (name: string, values: Float64Array) =>
    editor.addTensor(
      `${output}_${name}`,
      floatTensor(dtype, [...Array<number>(axis).fill(1), values.length, ...after], values),
    )
  const isCapped = high.some((value) => value < NO_BOUND)
  let value = node.inputs[0] ?? ''
  if (low.some((each) => each > -NO_BOUND)) {
    const above = isCapped ? editor.freshName(`${output}_above`) : output
    const spec = low.every((each) => each === 0)
      ? { opType: 'Relu', inputs: [value] }
      : { opType: 'Max', inputs: [value, bound('low', low)] }
    if (isCapped) editor.addNode({ ...spec, name: `${node.name}_above`, outputs: [above] })
    else editor.replaceNode(node, { ...spec, outputs: [output] })
    value = above
  }
  if (isCapped) editor.replaceNode(node, { opType: 'Min', inputs: [value, bound('cap', high)], outputs: [output] })
}
