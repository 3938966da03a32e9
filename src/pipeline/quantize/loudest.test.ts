import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { loudest } from './loudest.ts'

/** Members 0 to 99, nearly silent but for a few. */
const noises = new Map([
  [3, 0.5],
  [40, 0.2],
  [41, 0.1],
  [97, 0.4],
])
const members = Array.from({ length: 100 }, (_, i) => i)

async function search(most: number, noiseOf = (member: number) => noises.get(member) ?? 1e-4) {
  let measured = 0
  const found = await loudest(
    members,
    async (some) => {
      measured++
      return some.reduce((sum, member) => sum + noiseOf(member), 0)
    },
    { blocks: 8, most },
  )
  return { ...found, measured }
}

describe('the loudest of many', () => {
  it('are found by halving blocks, far fewer measurements than members', async () => {
    const { loud, total, measured } = await search(60)
    assert.deepEqual(
      loud.slice(0, 4).map(({ members }) => members),
      [[3], [97], [40], [41]],
    )
    assert.ok(Math.abs(total - 1.21) < 0.01, `${total}`)
    assert.ok(measured < 60, `${measured}`)
  })

  it('are as many as the measurements allow', async () => {
    const { loud, measured } = await search(18)
    assert.ok(measured <= 18)
    assert.ok(loud[0]?.members.includes(3))
    assert.equal(loud.flatMap(({ members }) => members).length, 100)
  })

  it('come first where their noise is not a number', async () => {
    const { loud } = await search(60, (member) => (member === 70 ? Number.NaN : (noises.get(member) ?? 1e-4)))
    assert.deepEqual(loud[0]?.members, [70])
  })

  it('are none of none', async () => {
    assert.deepEqual(await loudest([], async () => 1, { blocks: 8, most: 8 }), { loud: [], total: 0 })
  })
})
