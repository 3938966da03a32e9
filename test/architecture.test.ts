import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join, relative, resolve, sep } from 'node:path'
import { describe, it } from 'node:test'
import { parseSync } from 'vite'

/** Modules by layer: a module imports only modules on lower layers. */
const layers: readonly (readonly string[])[] = [
  ['base'],
  ['onnx', 'math', 'data', 'search', 'report', 'recipe'],
  ['runtime'],
  ['metrics', 'calibrate'],
  ['rewrite'],
  ['quantize', 'compress'],
  ['train'],
  ['pipeline'],
  ['jobs'],
  ['server'],
  ['cli'],
]
const layerOf = new Map(layers.flatMap((modules, layer) => modules.map((module) => [module, layer] as const)))
const root = resolve('src')

interface Import {
  readonly from: string
  readonly to: string
}

const files = readdirSync(root, { recursive: true })
  .map(String)
  .filter((file) => file.endsWith('.ts') && !file.endsWith('.test.ts') && !file.includes('generated'))
  .map((file) => join(root, file))

const imports: Import[] = files.flatMap((file) =>
  [...readFileSync(file, 'utf8').matchAll(/(?:from|import)\s*\(?\s*'(\.[^']+)'/g)].map((match) => ({
    from: relative(root, file),
    to: relative(root, resolve(dirname(file), match[1] ?? '')),
  })),
)
const moduleOf = (file: string): string => (file.includes(sep) ? (file.split(sep)[0] ?? '') : '')

describe('the architecture', () => {
  it('has only modules that are on a layer', () => {
    const modules = new Set(files.map((file) => moduleOf(relative(root, file))).filter((module) => module !== ''))
    assert.deepEqual(
      [...modules].filter((module) => !layerOf.has(module)),
      [],
    )
  })

  it('lets a module import only modules on lower layers', () => {
    const wrong = imports.filter(({ from, to }) => {
      const [here, there] = [moduleOf(from), moduleOf(to)]
      return here !== '' && here !== there && (layerOf.get(there) ?? 99) >= (layerOf.get(here) ?? -1)
    })
    assert.deepEqual(wrong, [])
  })

  it('enters a module only by its entry point', () => {
    const wrong = imports.filter(
      ({ from, to }) => moduleOf(from) !== moduleOf(to) && !/^[a-z]+[\\/]index(\.node)?\.ts$/.test(to),
    )
    assert.deepEqual(wrong, [])
  })

  it('has no circle of files', () => {
    const next = new Map<string, string[]>()
    for (const { from, to } of imports) next.set(from, [...(next.get(from) ?? []), to])
    const done = new Set<string>()
    const visit = (file: string, path: string[]): void => {
      assert.ok(!path.includes(file), `circle: ${[...path, file].join(' → ')}`)
      if (done.has(file)) return
      for (const to of next.get(file) ?? []) visit(to, [...path, file])
      done.add(file)
    }
    for (const file of next.keys()) visit(file, [])
  })

  const page = readdirSync('studio/src', { recursive: true })
    .map(String)
    .filter((file) => /\.tsx?$/.test(file))
    .flatMap((file) =>
      [
        ...readFileSync(join('studio/src', file), 'utf8').matchAll(/^(import|export)( type)?[^']*?from '([^']+)'/gm),
      ].map(([, , type, path = '']) => ({ file, type: type !== undefined, path })),
    )
  const own = page.filter(({ path }) => /\/src\//.test(path))

  it('lets the page of the studio enter modules by the entry point that needs no Node, for types and for the charts of the report', () => {
    assert.ok(own.length > 20, `${own.length} imports`)
    const entries = own.filter(({ path }) => !/\/src\/[a-z]+\/index\.ts$/.test(path))
    assert.deepEqual(entries, [])
    // What is in `local` is the back end of the page without a server: it runs in a worker, and uses everything.
    const values = own.filter(
      ({ file, type, path }) => !type && !file.startsWith(`local${sep}`) && !/\/src\/report\/index\.ts$/.test(path),
    )
    assert.deepEqual(values, [])
  })

  it('keeps what the worker needs out of the page itself', () => {
    // The page knows its worker by its address, and by the types of what they say to each other.
    const beside = new Set(['messages.ts', 'beside-page.ts', 'main.tsx'].map((file) => join('local', file)))
    const heavy = own.filter(({ file, type }) => beside.has(file) && !type)
    assert.deepEqual(heavy, [])
    const outside = page.filter(({ file, type, path }) => !file.startsWith('local') && !type && /\blocal\//.test(path))
    assert.deepEqual(outside, [])
  })

  it('uses Node only in files that say so', () => {
    const wrong = files.filter((file) => {
      if (/\.node\.ts$/.test(file) || /[\\/]cli[\\/]/.test(file)) return false
      const text = readFileSync(file, 'utf8')
      return /from 'node:|import\('node:|from '[^']*\.node\.ts'/.test(text)
    })
    assert.deepEqual(
      wrong.map((file) => relative(root, file)).filter((file) => file !== 'index.ts'),
      [],
    )
  })
})

/** Lines of a file and of a function at most. */
const MOST_LINES = { file: 300, function: 80 }
/** Parameters of a function at most; what takes more gets an options object, or one for what belongs together. */
const MOST_PARAMETERS = 4
/** Where functions may take more, and why. */
const MANY_PARAMETERS: readonly string[] = [
  // Loops over numbers, called so often that an object for each call would cost time.
  ...['math/linalg/', 'data/resize.ts', 'calibrate/patches.ts'],
]

/** What is read of a node of a parsed file. */
interface Parsed {
  readonly type: string
  readonly start: number
  readonly end: number
  readonly params: readonly unknown[]
  readonly id: { readonly name?: string } | null
  readonly key: { readonly name?: string } | null
}

/** A function with its lines and parameters, by the name that it is declared, assigned or keyed under. */
interface Found {
  readonly name: string
  readonly lines: number
  readonly parameters: number
}

/** Functions of a file. */
function functionsOf(file: string, text: string): Found[] {
  const { program, errors } = parseSync(file, text)
  assert.deepEqual(errors, [], file)
  const found: Found[] = []
  const visit = (node: unknown, name: string): void => {
    if (typeof node !== 'object' || node === null) return
    const { type, start, end, id, key, params = [] } = node as Partial<Parsed>
    const own = id?.name ?? key?.name ?? name
    if (type?.includes('Function'))
      found.push({
        name: own,
        lines: text.slice(start, end).split('\n').length,
        parameters: params.length,
      })
    for (const child of Object.values(node)) visit(child, own)
  }
  visit(program, '')
  return found
}

const linesOf = (text: string) => text.split('\n').length - 1

describe('the size of things', () => {
  const sources = files.map((file) => ({
    name: relative(root, file).replaceAll(sep, '/'),
    text: readFileSync(file, 'utf8'),
  }))

  it(`keeps files within ${MOST_LINES.file} lines`, () => {
    const long = sources.filter(({ text }) => linesOf(text) > MOST_LINES.file).map(({ name }) => name)
    assert.deepEqual(long, [])
  })

  it(`keeps functions within ${MOST_LINES.function} lines`, () => {
    const large = sources.filter(({ text }) => linesOf(text) > MOST_LINES.function)
    const long = large.flatMap(({ name, text }) =>
      functionsOf(name, text)
        .filter(({ lines }) => lines > MOST_LINES.function)
        .map((each) => `${name}: ${each.name}`),
    )
    assert.deepEqual(long, [])
  })

  it(`keeps functions within ${MOST_PARAMETERS} parameters`, () => {
    const long = sources
      .filter(({ name }) => !MANY_PARAMETERS.some((place) => name.startsWith(place)))
      .flatMap(({ name, text }) =>
        functionsOf(name, text)
          .filter(({ parameters }) => parameters > MOST_PARAMETERS)
          .map((each) => `${name}: ${each.name}`),
      )
    assert.deepEqual(long, [])
  })
})
