// What can go wrong, as classes: the command line turns the class into an exit code, people read the sentence.

/** Where something went wrong. Every field is optional; the sentence in `message` already names what matters. */
export interface ErrorPlace {
  readonly file?: string
  readonly node?: string
  readonly op?: string
  readonly tensor?: string
}

/** What went wrong, where somebody decides by it: sentences are for people, and may change. */
export type ErrorCode =
  /** A path that leads out of the folders of a studio. */
  | 'outside-folders'
  /** An operator between what is trained and the loss has no gradient rule. */
  | 'no-gradient-rule'
  /** Nothing that is to be trained reaches the loss. */
  | 'nothing-reached'

/** Base of all errors of this package. `message` is one sentence: what, where, got, expected, what to do. */
export class OnnxpressError extends Error {
  readonly exitCode: number = 1
  readonly place: ErrorPlace
  readonly code: ErrorCode | undefined

  constructor(message: string, { code, ...place }: ErrorPlace & { readonly code?: ErrorCode } = {}, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause })
    this.name = new.target.name
    this.place = place
    this.code = code
  }
}

/** A command line or an option that makes no sense. */
export class UsageError extends OnnxpressError {
  override readonly exitCode = 2
}

/** A model, a data set or labels that cannot be read or do not fit together. */
export class InputError extends OnnxpressError {
  override readonly exitCode = 3
}

/** Valid input that this version, or ONNX Runtime, cannot handle. */
export class UnsupportedError extends OnnxpressError {
  override readonly exitCode = 4
}

/** ONNX Runtime failed where it should not have. */
export class RuntimeFailure extends OnnxpressError {
  override readonly exitCode = 5
}

/** A budget that cannot be met, or a result that was refused. */
export class RefusedError extends OnnxpressError {
  override readonly exitCode = 6
}

/** The person, or a signal, asked to stop. */
export class CancelledError extends OnnxpressError {
  override readonly exitCode = 130

  constructor(message = 'interrupted') {
    super(message)
  }
}

/** Throws CancelledError when `signal` has been aborted. */
export function throwIfCancelled(signal: AbortSignal | undefined): void {
  if (signal?.aborted) throw new CancelledError()
}

/**
 * What a promise gives; CancelledError as soon as `signal` is aborted. For waiting on somebody else's code, which may never end.
 */
export async function orCancelled<T>(promise: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (!signal) return promise
  // Nobody listens to a failure that comes after the cancellation.
  promise.catch(() => {})
  throwIfCancelled(signal)
  let cancel = () => {}
  const cancelled = new Promise<never>((_, reject) => {
    cancel = () => reject(new CancelledError())
    signal.addEventListener('abort', cancel, { once: true })
  })
  try {
    return await Promise.race([promise, cancelled])
  } finally {
    signal.removeEventListener('abort', cancel)
  }
}

/** Waits for a promise, whatever becomes of it, but no longer than `limitMs`. */
export async function settledWithin(promise: Promise<unknown>, limitMs: number): Promise<void> {
  let timer: ReturnType<typeof setTimeout> | undefined
  const late = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, limitMs)
  })
  await Promise.race([promise.then(noop, noop), late])
  clearTimeout(timer)
}

const noop = (): void => {}

/** The message of anything thrown, without its stack. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
