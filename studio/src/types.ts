// What the server says, as the page reads it.

export type RunState = 'queued' | 'running' | 'done' | 'failed' | 'cancelled' | 'interrupted'

export interface Run {
  readonly id: string
  readonly folder: string
  readonly name: string
  readonly state: RunState
  readonly command: string
  readonly model: string
  readonly recipe: Readonly<Record<string, unknown>>
  readonly createdAt: number
  readonly startedAt?: number
  readonly endedAt?: number
  readonly message?: string
  readonly headline?: string
  readonly tone?: string
  readonly hasReport: boolean
  readonly output?: string
}

export interface ProgressEvent {
  readonly step: string
  readonly done: number
  readonly total: number
  readonly message?: string
  readonly at: number
}

export interface FieldSchema {
  readonly type?: string
  readonly enum?: readonly unknown[]
  readonly const?: unknown
  readonly anyOf?: readonly FieldSchema[]
  readonly items?: FieldSchema
  readonly default?: unknown
  readonly description?: string
}

export interface CommandSchema {
  readonly properties: Readonly<Record<string, FieldSchema>>
  readonly required?: readonly string[]
}

export interface FieldHelp {
  readonly text: string
  readonly placeholder?: string
}

export interface Session {
  readonly version: string
  readonly folders: readonly string[]
  readonly schema: { readonly oneOf?: readonly CommandSchema[]; readonly anyOf?: readonly CommandSchema[] }
  readonly help: Readonly<Record<string, Readonly<Record<string, FieldHelp>>>>
}

export interface FileEntry {
  readonly name: string
  readonly path: string
  readonly kind: 'folder' | 'model' | 'data' | 'picture' | 'other'
  readonly sizeBytes?: number
}

export interface FileListing {
  readonly path: string
  readonly parent?: string
  readonly entries: readonly FileEntry[]
  readonly more: number
}

export interface DrawnNode {
  readonly name: string
  readonly op: string
  readonly from: readonly number[]
  readonly layer?: number
}

export interface DrawnLayer {
  readonly name: string
  readonly op: string
  readonly parameters: number
  readonly sizeBytes: number
  readonly bits?: number
  readonly shape: readonly number[]
  readonly rangeSpread?: number
  readonly outliers?: number
}

export interface ModelView {
  readonly path: string
  readonly name: string
  readonly sizeBytes: number
  readonly opset: number
  readonly inputs: readonly string[]
  readonly outputs: readonly string[]
  readonly nodes: readonly DrawnNode[]
  readonly layers: readonly DrawnLayer[]
  readonly notes: readonly string[]
}
