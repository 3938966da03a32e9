// Test files by the processes that run them. Starting a process takes longer than most files of unit tests, so that those of one module
// share one; each stays a suite of its own.
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
 * What takes longest, longest first: real models, browsers, many command lines. Each has a process of its own and starts early, so that
 * all cores end together.
 */
const long = [
  'test/studio-page.test.ts',
  'test/quantize.test.ts',
  'test/real-models.test.ts',
  'test/browser-page.test.ts',
  'test/variants.test.ts',
  'test/compress-quantize.test.ts',
  'test/variants-decoders.test.ts',
  'test/errors.test.ts',
  'test/examples.test.ts',
  'test/cases-samples.test.ts',
  'test/compress.test.ts',
  'test/detector-blocks.test.ts',
  'test/graph-kinds.test.ts',
]

/** The files by their processes: long ones alone, the others by module, at most 20 in one, and those of commands, at most 6. */
export function batchesOf(files) {
  const modules = new Map()
  for (const file of files.filter((each) => !long.includes(each))) {
    const [folder = '', module = ''] = file.split(sep)
    const key = folder === 'src' ? `${folder}/${module}` : folder
    modules.set(key, [...(modules.get(key) ?? []), file])
  }
  const batches = [...modules].flatMap(([key, batch]) => chunks(batch, key === 'test' ? 6 : 20))
  const size = (batch) => (batch[0].startsWith('test') ? 1 : 0)
  return [
    ...long.filter((file) => files.includes(file)).map((file) => [file]),
    ...batches.sort((a, b) => size(b) - size(a)),
  ]
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
