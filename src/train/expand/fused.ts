// What an expansion of a fused operator is, and where it is applied.
import type { Node } from '../../onnx/index.ts'
import type { Emitter } from '../graph/emitter.ts'

/** Domain of ONNX Runtime's own operators. */
export const CONTRIBUTED = 'com.microsoft'

export interface FusedSite {
  readonly node: Node
  /** Name of an input, or undefined where it is left out. */
  readonly input: (index: number) => string | undefined
  /** Is an output read by anybody? */
  readonly asked: (index: number) => boolean
}

/** Why a node stays as it is: it then has no gradient, and whoever needs one is told so. */
export interface Stays {
  readonly because: string
}

/** Adds primitive nodes for a fused one and gives the values of its outputs, in order. */
export type Expansion = (g: Emitter, site: FusedSite) => readonly (string | undefined)[] | Stays

/** Expansions of the operators of a family, by domain and operator. */
export type Expansions = Readonly<Record<string, Expansion>>

/** Key of an operator in the table. */
export function keyOf({ domain, opType }: Pick<Node, 'domain' | 'opType'>): string {
  return `${domain === 'ai.onnx' ? '' : domain}:${opType}`
}

/** An expansion with one output. */
export function single(make: (g: Emitter, site: FusedSite) => string): Expansion {
  return (g, site) => [make(g, site)]
}
