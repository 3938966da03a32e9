import assert from 'node:assert/strict'
import { readFileSync, writeFileSync } from 'node:fs'
import { describe, it } from 'node:test'

// UPDATE_API=1 writes the list anew; then read its diff as a reader of the package would.
const golden = 'test/public-api.json'

describe('the public API', () => {
  const { exports } = JSON.parse(readFileSync('package.json', 'utf8')) as {
    exports: Record<string, string | { default: string }>
  }

  it('has the names that it is meant to have, and none by accident', async () => {
    const { build } = await import('esbuild')
    const sources = Object.entries(exports).flatMap(([path, target]) =>
      typeof target === 'string' ? [] : [[path, target.default.replace('./dist/', './src/').replace(/\.js$/, '.ts')]],
    )
    const { metafile } = await build({
      entryPoints: sources.map(([, source = '']) => source),
      outdir: 'dist',
      bundle: true,
      splitting: true,
      write: false,
      metafile: true,
      packages: 'external',
      format: 'esm',
      platform: 'node',
      logLevel: 'silent',
    })
    const built = Object.values(metafile.outputs)
    const names = Object.fromEntries(
      sources.map(([path = '', source = '']) => {
        const entry = built.find(({ entryPoint }) => entryPoint === source.slice(2))
        return [path, entry?.exports.toSorted()]
      }),
    )
    if (process.env['UPDATE_API']) writeFileSync(golden, `${JSON.stringify(names, null, 2)}\n`)
    assert.deepEqual(names, JSON.parse(readFileSync(golden, 'utf8')))
  })

  it('keeps node: and native modules out of what runs in a browser', async () => {
    const { build } = await import('esbuild')
    const entries = Object.entries(exports).flatMap(([path, target]) =>
      typeof target === 'string' || path === '.' || path.endsWith('/node')
        ? []
        : [target.default.replace('./dist/', 'src/').replace(/\.js$/, '.ts')],
    )
    assert.ok(entries.length > 10, `${entries.length} entry points`)
    const { metafile } = await build({
      entryPoints: entries,
      outdir: 'dist',
      bundle: true,
      splitting: true,
      write: false,
      metafile: true,
      format: 'esm',
      platform: 'browser',
      logLevel: 'silent',
    })
    const built = new Set(Object.values(metafile.outputs).map(({ entryPoint }) => entryPoint))
    for (const entry of entries) assert.ok(built.has(entry), entry)
  })
})
