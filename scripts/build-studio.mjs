// dist/studio/: the studio's page. dist/browser/: the same page without a server, with its worker and ONNX Runtime for the browser.
// Both by Vite. Modules of src have no side effects on import, so what a page does not use of them stays out.
import { readFileSync, renameSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { build } from 'vite'
import { scriptHash, styleHash } from '../dist/report/html/policy.js'

const root = fileURLToPath(new URL('..', import.meta.url))

const treeshake = {
  moduleSideEffects: [
    { test: /[\\/]src[\\/]report[\\/]/, sideEffects: false },
    { test: /[\\/]zod[\\/]/, sideEffects: false },
  ],
}

function common(outDir) {
  return {
    configFile: false,
    root: join(root, 'studio'),
    base: './',
    logLevel: 'warn',
    oxc: { jsx: { runtime: 'automatic', importSource: 'preact' } },
    build: {
      outDir: join(root, 'dist', outDir),
      emptyOutDir: true,
      target: 'es2022',
      modulePreload: { polyfill: false },
      assetsInlineLimit: 0,
      // The runtime alone is 14 MB, and is not part of what is read before it is needed.
      chunkSizeWarningLimit: 1000,
      rolldownOptions: { treeshake },
    },
  }
}

await build(common('studio'))

// A server of static files sends no policy: the page brings its own. It may load, and talk to, what lies beside it; run
// WebAssembly; and show a report, whose style and script are named by their hashes.
const policy = [
  "default-src 'none'",
  `script-src 'self' 'wasm-unsafe-eval' '${scriptHash}'`,
  `style-src 'self' '${styleHash}'`,
  "img-src 'self' data:",
  "connect-src 'self'",
  "worker-src 'self' blob:",
  'frame-src blob:',
  "base-uri 'none'",
  "form-action 'none'",
].join('; ')
const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))
const { build: options, ...rest } = common('browser')
await build({
  ...rest,
  plugins: [{ name: 'policy', transformIndexHtml: (html) => html.replace('%POLICY%', policy) }],
  define: { __ONNXPRESS__: JSON.stringify({ version }) },
  worker: { format: 'es', rolldownOptions: { treeshake } },
  build: { ...options, rolldownOptions: { ...options.rolldownOptions, input: join(root, 'studio', 'local.html') } },
})
renameSync(join(root, 'dist', 'browser', 'local.html'), join(root, 'dist', 'browser', 'index.html'))
