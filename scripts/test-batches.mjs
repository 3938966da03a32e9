// Test files by the processes that run them. Starting a process, and a runtime in it, takes longer than most files of unit tests, so
// that many share one; each stays a suite of its own.
import { existsSync, readdirSync, writeFileSync } from 'node:fs'
import { join, sep } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('..', import.meta.url))
const folders = ['src', 'test', 'demo', 'bench', 'examples', 'studio']

/** Paths of all test files, from the root, or of those with one of the words in it. */
export function testFiles(words) {
  return folders
    .filter((folder) => existsSync(join(root, folder)))
    .flatMap((folder) => readdirSync(join(root, folder), { recursive: true }).map((name) => join(folder, String(name))))
    .filter((file) => file.endsWith('.test.ts'))
    .filter((file) => words.length === 0 || words.some((word) => file.includes(word)))
    .sort()
}

/**
 * What takes longest, longest first: real models, browsers, many command lines. They start early, so that all cores end together; those
 * on a line share a process, and WebAssembly is compiled once for the variants.
 */
const long = [
  ['test/studio-page.test.ts'],
  ['test/quantize.test.ts'],
  ['test/variants.test.ts', 'test/variants-decoders.test.ts'],
  ['test/real-models.test.ts'],
  ['test/browser-page.test.ts'],
  ['test/detector-blocks.test.ts', 'test/graph-kinds.test.ts'],
  ['test/compress-quantize.test.ts', 'test/compress.test.ts'],
  ['test/examples.test.ts'],
  ['test/errors.test.ts', 'test/cases-samples.test.ts'],
]

/** The files by their processes: long ones as they stand above, then those of commands, at most 8 in one, and unit tests, at most 30. */
export function batchesOf(files) {
  const first = long.map((batch) => batch.filter((file) => files.includes(file))).filter((batch) => batch.length > 0)
  const others = files.filter((file) => !first.flat().includes(file))
  const commands = others.filter((file) => file.startsWith('test'))
  const units = others.filter((file) => !file.startsWith('test'))
  return [...first, ...chunks(commands, 8), ...chunks(units, 30)]
}

function chunks(files, size) {
  return Array.from({ length: Math.ceil(files.length / size) }, (_, at) => files.slice(at * size, (at + 1) * size))
}

/**
 * Writes the program that runs the files of a batch, named after the first of them, and gives its path. What tests share, such as
 * a runtime, is loaded outside of their suites, so that it is closed after the last of them. The processes that they start are the
 * built command line, whose options are its own.
 */
export function writeBatch(folder, files) {
  const path = join(folder, `${files[0].replaceAll(sep, '-').replace(/\.ts$/, '')}.mjs`)
  const source = (file) => JSON.stringify(join(root, file))
  const suites = files.map((file) => `describe(${JSON.stringify(file)}, () => import(${source(file)}))`)
  writeFileSync(
    path,
    `import { describe } from 'node:test'
import ${source('test/support/properties.ts')}
import ${source('test/support/rewrite-conformance.ts')}
delete process.env.NODE_OPTIONS
${suites.join('\n')}
`,
  )
  return path
}
