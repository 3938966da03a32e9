// What every rewrite leaves of the float function, on every model of the manifest that it touches, as a Markdown table: exact
// passes, folding of dead channels, equalisation with held caps. Real samples where there are some, random inputs else.
// Usage: node --import tsx bench/rewrites.ts [word…]
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { messageOf } from '../src/base/index.ts'
import { type RewriteRun, rewriteFile } from '../src/pipeline/index.node.ts'
import { parseRecipe } from '../src/pipeline/index.ts'
import { passes } from '../src/rewrite/index.ts'
import { openRuntime } from '../src/runtime/index.node.ts'
import { manifestEntries, recipeFor } from '../test/support/manifest.ts'

const words = process.argv.slice(2)
const names = [...passes.map(({ name }) => name), 'fold-dead-channels', 'equalize']
const folder = mkdtempSync(join(tmpdir(), 'onnxpress-bench-'))
const runtime = await openRuntime()

const inDb = (db: number | null) => (db === null ? 'exact' : db.toFixed(0))

/** The lowest figure of the exact passes that changed something, then the two that need statistics. */
function cells({ passes: applied }: RewriteRun): string[] {
  const changed = applied.filter(({ changes }) => changes.length > 0)
  const lowest = (side: 'sqnrDb' | 'randomSqnrDb') => {
    const list = changed.filter(({ kind }) => kind === 'exact').map((pass) => pass[side] ?? null)
    return list.length === 0 ? '' : inDb(list.reduce((a, b) => (a === null ? b : b === null ? a : Math.min(a, b))))
  }
  const one = (name: string) => {
    const pass = changed.find((each) => each.name === name)
    if (!pass) return ''
    return `${pass.sqnrDb === undefined ? '' : inDb(pass.sqnrDb)}${pass.kept ? '' : ' (reverted)'}`
  }
  return [lowest('sqnrDb'), lowest('randomSqnrDb'), one('fold-dead-channels'), one('equalize')]
}

console.log('| model | samples | exact passes, dB | on random inputs, dB | dead channels, dB | equalised, dB |')
console.log('|---|---|---|---|---|---|')
try {
  for (const entry of manifestEntries().filter(
    ({ file, loads }) => loads && (words.length === 0 || words.some((word) => file.includes(word))),
  )) {
    const { model, data, preprocess, shape } = recipeFor(entry)
    const recipe = parseRecipe('rewrite', {
      model,
      data,
      ...(preprocess ? { preprocess } : {}),
      ...(shape ? { shape } : {}),
      passes: names,
      samples: 32,
      output: join(folder, 'out.onnx'),
    })
    const row = await rewriteFile(runtime, recipe).then(cells, (error: unknown) => [messageOf(error), '', '', ''])
    console.log(`| ${[entry.file, data === 'random' ? 'random' : 'real', ...row].join(' | ')} |`)
  }
} finally {
  await runtime.close()
  rmSync(folder, { recursive: true })
}
