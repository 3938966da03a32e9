// A gradient rule: one operator, and for each of its inputs a thunk that adds the nodes of that input's gradient.
import type { Node, Tensor } from '../../onnx/index.ts'
import type { Emitter } from './emitter.ts'

/** Where a rule is applied. Values are names in the graph. */
export interface Site {
  readonly node: Node
  readonly inputs: readonly string[]
  readonly outputs: readonly string[]
  /** First input and first output: what most rules need. */
  readonly x: string
  readonly y: string
  /** Gradient of the first output. */
  readonly dY: string
  /** Gradient of each output; undefined where the loss does not depend on it. */
  readonly gradients: readonly (string | undefined)[]
  /** The constant that an input holds, if it is one. */
  readonly constant: (index: number) => Tensor | undefined
}

/** Adds the nodes of one gradient and returns its name. Called only when that gradient is needed. */
export type Thunk = () => string

export interface GradientRule {
  readonly op: string
  /** One thunk an input, undefined for inputs that have no gradient (indices, shapes). */
  readonly build: (g: Emitter, site: Site) => readonly (Thunk | undefined)[]
}

/** Says what a gradient rule is; the value is handed back as it is. */
export function defineGradient(rule: GradientRule): GradientRule {
  return rule
}

/** The rule of an operator with one differentiable input. */
export function defineUnary(op: string, gradient: (g: Emitter, site: Site) => string): GradientRule {
  return defineGradient({ op, build: (g, site) => [() => gradient(g, site)] })
}
