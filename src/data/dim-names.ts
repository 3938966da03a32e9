// What the name of a free dimension says: the batch, or a length.

const TIME = /time|seq|len|frame|step|^t$/i
const BATCH = /batch|^(n|b|bs)$/i

type Dim = number | string | null | undefined

/** Is a dimension called a length? */
export function isTimeName(dim: Dim): boolean {
  return typeof dim === 'string' && !BATCH.test(dim) && TIME.test(dim)
}

/** Is a dimension called the batch? */
export function isBatchName(dim: Dim): boolean {
  return typeof dim === 'string' && BATCH.test(dim)
}
