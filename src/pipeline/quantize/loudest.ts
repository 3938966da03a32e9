// The few grids that bring most noise, found by halving: blocks of grids are quantised alone in an otherwise float model.

/** A member, or a block that was not taken apart any further, and what it does alone. */
export interface Loud<T> {
  readonly members: readonly T[]
  /** Noise in the outputs as a share of the signal. */
  readonly share: number
}

export interface Halving {
  /** Blocks to begin with. */
  readonly blocks: number
  /** Measurements at most. */
  readonly most: number
}

/** A block below this share of all noise is not looked into. */
const QUIET = 0.02
const WORST = 1e12

/**
 * Measures blocks of neighbours and halves the loudest until it is one member. Noise of different grids adds up, so what is loud in
 * a block is loud alone.
 * @param noiseOf noise in the outputs when these members alone are quantised
 * @returns members and blocks that are left, loudest first, and the noise of all
 */
export async function loudest<T>(
  members: readonly T[],
  noiseOf: (some: readonly T[]) => Promise<number>,
  { blocks, most }: Halving,
): Promise<{ readonly loud: readonly Loud<T>[]; readonly total: number }> {
  const size = Math.max(1, Math.ceil(members.length / blocks))
  const open: { block: readonly T[]; share: number }[] = []
  let measured = 0
  const measure = async (block: readonly T[]) => {
    measured++
    const share = await noiseOf(block)
    // What is not a number is the worst there is, and must not keep others from being compared.
    open.push({ block, share: share < WORST ? share : WORST })
  }
  for (let from = 0; from < members.length; from += size) await measure(members.slice(from, from + size))
  const total = open.reduce((sum, { share }) => sum + share, 0)
  while (measured + 2 <= most) {
    open.sort((a, b) => b.share - a.share)
    const index = open.findIndex(({ block }) => block.length > 1)
    const next = open[index]
    if (!next || next.share < QUIET * total) break
    open.splice(index, 1)
    const middle = Math.ceil(next.block.length / 2)
    await measure(next.block.slice(0, middle))
    await measure(next.block.slice(middle))
  }
  const loud = open.map(({ block, share }) => ({ members: block, share }))
  return { loud: loud.sort((a, b) => b.share - a.share), total }
}
