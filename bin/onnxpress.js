#!/usr/bin/env node
import { execFileSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

const file = (path) => fileURLToPath(new URL(path, import.meta.url))

// The package brings its bundle; a fresh clone builds it once (`npm run build` after changes).
if (!existsSync(file('../dist/bundle/main.js')))
  execFileSync(process.execPath, [file('../scripts/build.mjs')], { stdio: ['ignore', 2, 2] })

const { main } = await import('../dist/bundle/main.js')
const { version } = JSON.parse(readFileSync(file('../package.json'), 'utf8'))
process.exitCode = await main(process.argv.slice(2), version)
// Everything of ours is closed. What a module of samples or a metric left running must not keep the process alive; what was
// written must still go out.
for (const stream of [process.stdout, process.stderr]) await new Promise((resolve) => stream.write('', resolve))
process.exit()
