import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import golden from './fixtures/ratio-select.json' with { type: 'json' }
import resnet from './fixtures/ratio-select-resnet20.json' with { type: 'json' }
import { greedy } from './greedy.ts'
import { type Candidate, cheapest, type Item, selectionOf, undominated } from './item.ts'
import { knapsack } from './knapsack.ts'

interface Scored extends Candidate {
  readonly ratio: number | null
  readonly score: number
}

interface Table {
  readonly items: readonly Item<Scored>[]
  readonly fixed: number
  readonly total: number
}

type Candidates = Readonly<Record<string, readonly { ratio: number; score: number; cost: number }[]>>

/** Scores become losses; layers that are not chosen about become a fixed cost. Strongest candidates first, as ratios rise. */
function tableOf(
  layers: readonly { readonly name: string; readonly cost: number }[],
  candidates: Candidates,
  uncompressed: number,
): Table {
  const items = layers
    .filter(({ name }) => candidates[name])
    .map(
      ({ name, cost }): Item<Scored> => ({
        name,
        unchanged: { cost, loss: -uncompressed, ratio: null, score: uncompressed },
        candidates: (candidates[name] ?? [])
          .map((candidate) => ({ ...candidate, loss: -candidate.score }))
          .sort((a, b) => a.ratio - b.ratio),
      }),
    )
  const total = layers.reduce((sum, layer) => sum + layer.cost, 0)
  return { items, total, fixed: total - items.reduce((sum, item) => sum + item.unchanged.cost, 0) }
}

const tables = golden.cases.map(({ input, options, expected }) => ({
  name: `${options.note}, ${options.target}`,
  target: options.target,
  expected,
  // Costs in memory, where the table is of memory, are found from the candidates' ratios to the whole.
  table: tableOf(
    memoryLayers(input.layers, options.metric),
    expected.candidates as Candidates,
    input.uncompressedScore,
  ),
}))

function memoryLayers(
  layers: readonly { name: string; cost: number; out: number; in_: number; kernel: number; outHW: number }[],
  metric: string,
) {
  return metric === 'mac'
    ? layers
    : layers.map((layer) => ({ ...layer, cost: layer.out * layer.in_ * layer.kernel ** 2 }))
}

describe('the greedy threshold search', () => {
  for (const { name, target, expected, table } of tables)
    it(`picks what the published one picks: ${name}`, () => {
      const picked = greedy(table.items, { ratio: target, fixed: table.fixed })
      if (expected.minReachableRatio > target) {
        assert.equal(picked, undefined, 'out of reach, where the published one leaves everything unchanged')
        return
      }
      assert.ok(picked)
      assert.deepEqual(
        picked.chosen.map((candidate) => candidate.ratio),
        expected.aimet.ratios,
      )
      assert.ok(Math.abs((picked.cost + table.fixed) / table.total - expected.aimet.modelRatio) < 1e-12)
    })

  for (const { input, options, expected } of resnet.cases.filter((entry) => entry.expected.aimet))
    it(`picks what the published one picks for measured scores of ResNet-20, ${options.kind} ${options.target}`, () => {
      const table = tableOf(input.layers, input.candidates as Candidates, input.uncompressedScore)
      const picked = greedy(table.items, { ratio: options.target, fixed: table.fixed })
      assert.ok(picked)
      assert.deepEqual(
        Object.fromEntries(table.items.map((item, i) => [item.name, picked.chosen[i]?.ratio])),
        expected.aimet?.ratios,
      )
    })
})

describe('the knapsack', () => {
  for (const { name, target, expected, table } of tables)
    it(`reaches the optimal sum of scores within the budget: ${name}`, () => {
      const budget = target * table.total - table.fixed
      const [best] = knapsack(table.items, [budget])
      if (!expected.optimalSum) {
        assert.equal(best, undefined)
        assert.ok(
          Math.abs((cheapest(table.items).cost + table.fixed) / table.total - expected.minReachableRatio) < 1e-12,
        )
        return
      }
      assert.ok(best && best.cost <= budget + 1e-6)
      const sum = best.chosen.reduce((total, candidate) => total + candidate.score, 0)
      assert.ok(sum >= expected.optimalSum.sumScore - 1e-9, `${sum} for ${expected.optimalSum.sumScore}`)
    })

  for (const { input, options, expected } of resnet.cases)
    it(`reaches the optimum of measured scores of ResNet-20, ${options.kind} ${options.target}`, () => {
      const table = tableOf(input.layers, input.candidates as Candidates, input.uncompressedScore)
      const budget = options.target * table.total - table.fixed
      const [best] = knapsack(table.items, [budget])
      assert.ok(best && best.cost <= budget + 1e-6)
      const sum = best.chosen.reduce((total, candidate) => total + candidate.score, 0)
      assert.ok(sum >= expected.optimalSum.objective - 1e-6)
      const logit = (score: number) => Math.log(score / (1 - score))
      const drop = (score: number) => Math.min(0, logit(score) - logit(input.uncompressedScore))
      const drops = table.items.map(
        (item): Item<Scored> => ({
          ...item,
          unchanged: { ...item.unchanged, loss: 0 },
          candidates: item.candidates.map((candidate) => ({ ...candidate, loss: -drop(candidate.score) })),
        }),
      )
      const [mildest] = knapsack(drops, [budget])
      assert.ok(mildest && -mildest.loss >= expected.optimalLogitDrop.objective - 1e-6)
    })

  it('answers several budgets as each alone, and never exceeds one', () => {
    const { table } = tables[0]!
    const budgets = [0.3, 0.5, 0.75].map((ratio) => ratio * table.total - table.fixed)
    const together = knapsack(table.items, budgets)
    for (const [i, budget] of budgets.entries()) {
      assert.deepEqual(together[i], knapsack(table.items, [budget])[0])
      assert.ok(together[i]!.cost <= budget + 1e-6)
    }
  })

  it('stays within the budget and close to the optimum when there are more choices than it can keep', () => {
    // 40 items with convex losses and incommensurable costs: the optimum equalises slopes, which bounds it from below.
    const items = Array.from({ length: 40 }, (_, i): Item => {
      const unit = 1 + Math.sqrt(i + 2)
      const candidates = Array.from({ length: 25 }, (_, j) => ({
        cost: (unit * j) / 25,
        loss: unit * (1 - j / 25) ** 2,
      }))
      return { name: `${i}`, unchanged: { cost: unit, loss: 0 }, candidates }
    })
    const total = items.reduce((sum, item) => sum + item.unchanged.cost, 0)
    const [best] = knapsack(items, [total / 2])
    assert.ok(best && best.cost <= total / 2 + 1e-9)
    assert.ok(best.loss <= (total / 4) * 1.01, `${best.loss} for at least ${total / 4}`)
    assert.deepEqual(best, { ...selectionOf(best.chosen) })
  })

  it('drops candidates that another beats, and never takes a loss of NaN', () => {
    const nan = { cost: 1, loss: Number.NaN }
    const dear = { cost: 3, loss: 2 }
    const good = { cost: 2, loss: 1 }
    assert.deepEqual(undominated([dear, nan, good]), [good])
    assert.deepEqual(knapsack([{ name: 'a', unchanged: dear, candidates: [nan, good] }], [2])[0]?.chosen, [good])
  })

  it('greedy ends when losses are not numbers', () => {
    const item = {
      name: 'a',
      unchanged: { cost: 10, loss: 0 },
      candidates: [
        { cost: 2, loss: Number.NaN },
        { cost: 5, loss: 1 },
        { cost: 8, loss: Number.POSITIVE_INFINITY },
      ],
    }
    for (const ratio of [0.2, 0.5, 0.9]) assert.doesNotThrow(() => greedy([item], { ratio }))
  })
})
