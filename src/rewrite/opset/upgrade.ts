// What an upgrade of an operator is.
import type { Node } from '../../onnx/index.ts'
import type { Scope } from './scope.ts'

/** Changes a node in place to the form of a later opset; a string says why that is not possible. */
export type Upgrade = (node: Node, scope: Scope) => string | undefined

/** An operator and the versions at which its definition changed in a way that matters. */
export interface OpUpgrades {
  readonly op: string
  readonly at: Readonly<Record<number, Upgrade>>
}
