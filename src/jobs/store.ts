// Where inputs and results lie that several machines share: bytes under the name of their content.

/** Bytes by their content, on this machine or elsewhere. What is in it is complete; the same bytes are there once. */
export interface ContentStore {
  /** Keeps bytes. @returns their key, the same for the same bytes: "sha256-" and 64 hexadecimal digits */
  readonly put: (chunks: AsyncIterable<Uint8Array>) => Promise<string>
  /**
   * The bytes of a key, in chunks. They are right only once all have been read.
   * @throws InputError when there are none, or others than the key says
   */
  readonly get: (key: string) => AsyncIterable<Uint8Array>
}

/** Is a text a key of a store? A key becomes a file name: what is none must not reach a disk. */
export function isContentKey(text: string): boolean {
  return /^sha256-[0-9a-f]{64}$/.test(text)
}
