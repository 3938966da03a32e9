// Lines of test for one of source, by module. Comments and blank lines count on neither side, nor do generated code and tables of
// data. A test beside the code counts for its module; one under test/ counts for every module that it imports, in equal parts, or,
// where it runs the command line, for `cli`.
// Usage: node --import tsx scripts/test-share.ts [--least 0.5]   ends with exit code 1 where a module has less
import { readdirSync, readFileSync } from 'node:fs'
import { join, relative, resolve, sep } from 'node:path'
import { parseArgs } from 'node:util'

/** Lines of a module. */
export interface Share {
  readonly module: string
  readonly source: number
  readonly test: number
}

/** Lines that say something: neither blank nor comment. */
export function linesOf(text: string): number {
  let inside = false
  let count = 0
  for (const line of text.split('\n')) {
    const words = line.trim()
    if (inside) {
      inside = !words.includes('*/')
      continue
    }
    if (words.startsWith('/*')) inside = !words.includes('*/')
    else if (words !== '' && !words.startsWith('//')) count++
  }
  return count
}

/** The modules that a file imports, with those that its command line stands for. */
function modulesIn(text: string): string[] {
  const found = [...text.matchAll(/from '[./]*\/src\/([a-z]+)\//g)].map((match) => match[1] ?? '')
  const runsCommands = /bin\/onnxpress|runCli|onnxpress\(/.test(text)
  return [...new Set(runsCommands ? [...found, 'cli'] : found)]
}

/** Source and test lines of every module below `root`/src. */
export function testShares(root: string): Share[] {
  const source = new Map<string, number>()
  const test = new Map<string, number>()
  const add = (to: Map<string, number>, module: string, lines: number) => to.set(module, (to.get(module) ?? 0) + lines)
  const filesOf = (folder: string) =>
    readdirSync(join(root, folder), { recursive: true })
      .map(String)
      .filter((file) => file.endsWith('.ts') && !file.includes('generated'))
      .map((file) => join(root, folder, file))
  for (const file of filesOf('src')) {
    const [module = '', ...rest] = relative(join(root, 'src'), file).split(sep)
    if (rest.length === 0) continue
    add(file.endsWith('.test.ts') ? test : source, module, linesOf(readFileSync(file, 'utf8')))
  }
  for (const file of filesOf('test').filter((each) => each.endsWith('.test.ts'))) {
    const text = readFileSync(file, 'utf8')
    const modules = modulesIn(text)
    for (const module of modules) add(test, module, linesOf(text) / modules.length)
  }
  return [...source].map(([module, lines]) => ({ module, source: lines, test: test.get(module) ?? 0 }))
}

if (process.argv[1] === import.meta.filename) {
  const { values } = parseArgs({ options: { least: { type: 'string', default: '0.5' } } })
  const shares = testShares(resolve(import.meta.dirname, '..')).sort((a, b) => a.test / a.source - b.test / b.source)
  for (const { module, source, test } of shares) {
    const missing = Math.ceil(Number(values.least) * source - test)
    console.log(
      `${module.padEnd(10)} ${(test / source).toFixed(2)}  ${String(source).padStart(6)} source ${test.toFixed(0).padStart(6)} test${missing > 0 ? `  ${missing} missing` : ''}`,
    )
    if (missing > 0) process.exitCode = 1
  }
}
