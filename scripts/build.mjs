// dist/: JavaScript and types by tsc; dist/bundle/: the command line in a few files, because importing two hundred takes
// a quarter of a second.
import { execFileSync } from 'node:child_process'
import { rmSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { build } from 'esbuild'
import { bundleOptions } from './bundle-options.mjs'

const root = fileURLToPath(new URL('..', import.meta.url))
const tsc = join(dirname(createRequire(import.meta.url).resolve('typescript/package.json')), 'bin', 'tsc')
rmSync(join(root, 'dist', 'bundle'), { recursive: true, force: true })
execFileSync(process.execPath, [tsc, '-p', 'tsconfig.build.json'], { cwd: root, stdio: 'inherit' })
await build({
  absWorkingDir: root,
  entryPoints: ['dist/cli/main.js', 'dist/runtime/worker.node.js', 'dist/runtime/web-worker.node.js'],
  outdir: 'dist/bundle',
  ...bundleOptions,
})
await import('./build-studio.mjs')
