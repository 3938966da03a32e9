// Which members of a change do no harm: blocks of them are measured both ways, and those that lose are halved.

/** A block of members as it is without the change, or with it. */
export type Form = 'before' | 'changed'

/**
 * Members for which a change brings no more noise: blocks are measured in both forms, and those that lose are halved, the longest
 * first, as long as measurements are left.
 * @param noiseOf noise at the outputs with these members in one form and everything else float
 * @param limits blocks to begin with, and measurements at most
 */
export async function harmless<T>(
  members: readonly T[],
  noiseOf: (some: readonly T[], form: Form) => Promise<number>,
  { blocks, most }: { readonly blocks: number; readonly most: number },
): Promise<T[]> {
  const kept: T[] = []
  const open: (readonly T[])[] = []
  let measured = 0
  const measure = async (block: readonly T[]) => {
    measured += 2
    const before = await noiseOf(block, 'before')
    if ((await noiseOf(block, 'changed')) <= before) kept.push(...block)
    else if (block.length > 1) open.push(block)
  }
  const size = Math.max(1, Math.ceil(members.length / blocks))
  for (let from = 0; from < members.length; from += size) await measure(members.slice(from, from + size))
  while (open.length > 0 && measured + 4 <= most) {
    open.sort((a, b) => b.length - a.length)
    const block = open.shift() ?? []
    const middle = Math.ceil(block.length / 2)
    await measure(block.slice(0, middle))
    await measure(block.slice(middle))
  }
  return kept
}
