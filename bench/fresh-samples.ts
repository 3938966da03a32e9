// Does the search lose on samples that it never saw? Small networks around one operator each, by default and without techniques.
// Usage: node --import tsx bench/fresh-samples.ts [GRAPHS] [WORD…]   words choose families
import { quantile } from '../src/math/index.ts'
import { openRuntime } from '../src/runtime/index.node.ts'
import { freshScores, quantizeGraph } from '../test/support/fresh-scores.ts'
import { families, opGraph } from '../test/support/op-graphs.ts'

const [count = '264', ...words] = process.argv.slice(2)
const chosen = families().filter(({ name }) => words.length === 0 || words.some((word) => name.includes(word)))
const runtime = await openRuntime({ threads: 1 })
const rows: { name: string; plain: number; best: number; difference: number; kept: string }[] = []
for (let i = 0; i < Number(count); i++) {
  const family = chosen[i % chosen.length]!
  const graph = opGraph(family, Math.floor(i / chosen.length))
  try {
    const plain = await quantizeGraph(runtime, graph, { techniques: ['none'] })
    const best = await quantizeGraph(runtime, graph)
    const [a = 0, b = 0] = await freshScores(runtime, graph, [plain.quantized, best.quantized])
    const kept = (best.ladder ?? []).map((r) => `${r.kept ? '' : '✗ '}${r.name} ${r.sqnrDb?.toFixed(1)}`).join(' → ')
    rows.push({ name: graph.name, plain: a, best: b, difference: b - a, kept })
  } catch (error) {
    console.log(`${graph.name}: ${error instanceof Error ? error.message : error}`)
  }
}
await runtime.close()
rows.sort((a, b) => a.difference - b.difference)
const differences = rows.map(({ difference }) => difference)
const mean = differences.reduce((a, b) => a + b, 0) / differences.length
console.log(
  `${rows.length} graphs: mean ${mean.toFixed(2)} dB, median ${quantile(differences, 0.5).toFixed(2)}, worst ${differences[0]?.toFixed(2)}, best ${differences.at(-1)?.toFixed(2)}`,
)
for (const edge of [-3, -1, -0.5, 0]) console.log(`below ${edge} dB: ${differences.filter((d) => d < edge).length}`)
for (const edge of [1, 3, 6]) console.log(`above ${edge} dB: ${differences.filter((d) => d > edge).length}`)
for (const { name, plain, best, difference, kept } of rows.slice(0, 15))
  console.log(`${difference.toFixed(2)}\t${plain.toFixed(1)} → ${best.toFixed(1)}\t${name}\t${kept}`)
const plains = rows.map(({ plain }) => plain)
console.log(
  `plain: mean ${(plains.reduce((a, b) => a + b, 0) / plains.length).toFixed(2)}, 10 %: ${quantile(plains, 0.1).toFixed(2)}; default: mean ${(rows.map((r) => r.best).reduce((a, b) => a + b, 0) / plains.length).toFixed(2)}, 10 %: ${quantile(
    rows.map((r) => r.best),
    0.1,
  ).toFixed(2)}`,
)
