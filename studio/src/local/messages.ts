// What the page and the worker beside it say to each other.

export type Request =
  | { readonly kind: 'ask'; readonly id: number; readonly path: string; readonly body?: unknown }
  | { readonly kind: 'upload'; readonly id: number; readonly file: File; readonly group: string }

export type Answer =
  | { readonly kind: 'answer'; readonly id: number; readonly value: unknown }
  | { readonly kind: 'failure'; readonly id: number; readonly message: string }
  | { readonly kind: 'news'; readonly event: string; readonly data: unknown }

/** A file that the worker made and the page hands to the person. */
export interface MadeFile {
  readonly name: string
  readonly blob: Blob
  /** Shown in a tab instead of saved. */
  readonly shown: boolean
}
