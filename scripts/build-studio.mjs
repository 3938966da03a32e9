// dist/studio/: the studio's page by Vite. Modules of src have no side effects on import, so what the page does not use of
// the report (the schema, the HTML page) stays out.
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { build } from 'vite'

const root = fileURLToPath(new URL('..', import.meta.url))
await build({
  configFile: false,
  root: join(root, 'studio'),
  base: './',
  logLevel: 'warn',
  oxc: { jsx: { runtime: 'automatic', importSource: 'preact' } },
  build: {
    outDir: join(root, 'dist', 'studio'),
    emptyOutDir: true,
    target: 'es2022',
    modulePreload: { polyfill: false },
    assetsInlineLimit: 0,
    rolldownOptions: {
      treeshake: {
        moduleSideEffects: [
          { test: /[\\/]src[\\/]report[\\/]/, sideEffects: false },
          { test: /[\\/]zod[\\/]/, sideEffects: false },
        ],
      },
    },
  },
})
