// All test programs as plain JavaScript, made once: a process that reads the toolkit's files of TypeScript one by one takes seconds
// until its first test, and there are forty processes.
import { existsSync, symlinkSync, writeFileSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { build } from 'esbuild'
import { bundleOptions } from './bundle-options.mjs'

const repository = fileURLToPath(new URL('..', import.meta.url))

/** Tools of the tests stay where they are, too. */
const external = [
  ...bundleOptions.external,
  'esbuild',
  'vite',
  'playwright-core',
  'tsx',
  'tsx/*',
  'axe-core',
  'fast-check',
]

/** What starts workers and processes finds them in the folder of the bundle, as it does in the package. */
const startWorkers =
  /[\\/](?:src[\\/]runtime[\\/](?:node-runtime|web-process)\.node|bench[\\/]conformance[\\/]pool)\.ts$/

/** Fixtures lie beside the source, so that each file goes on believing it is there. */
const placesOfSources = {
  name: 'places-of-sources',
  setup({ onLoad }) {
    onLoad({ filter: /\.tsx?$/ }, async ({ path }) => {
      if (path.includes('node_modules') || startWorkers.test(path)) return undefined
      const text = await readFile(path, 'utf8')
      if (!text.includes('import.meta.')) return undefined
      const contents = text
        .replace(/\bimport\.meta\.url\b/g, () => JSON.stringify(pathToFileURL(path).href))
        .replace(/\bimport\.meta\.dirname\b/g, () => JSON.stringify(dirname(path)))
      return { contents, loader: path.endsWith('x') ? 'tsx' : 'ts' }
    })
  },
}

/**
 * Builds programs into `folder` and gives the paths of what was built, in their order. Stacks name the sources, which are those of the
 * repository or of a copy at `root`.
 */
export async function bundle(folder, programs, root = repository) {
  const outdir = join(folder, 'built')
  await build({
    absWorkingDir: root,
    entryPoints: [
      ...programs,
      ...['worker', 'web-worker'].map((name) => join(root, 'src', 'runtime', `${name}.node.ts`)),
      ...[join(root, 'bench', 'conformance', 'child.ts')].filter((file) => existsSync(file)),
    ],
    outdir,
    ...bundleOptions,
    // The package says that its modules have no effects of their own; test files have nothing else.
    ignoreAnnotations: true,
    sourcemap: 'linked',
    sourcesContent: false,
    external,
    plugins: [placesOfSources],
  })
  writeFileSync(join(outdir, 'package.json'), '{ "type": "module" }')
  symlinkSync(join(root, 'node_modules'), join(outdir, 'node_modules'), 'junction')
  return programs.map((program) =>
    join(
      outdir,
      program
        .split(/[\\/]/)
        .at(-1)
        .replace(/\.(?:mjs|ts)$/, '.js'),
    ),
  )
}
