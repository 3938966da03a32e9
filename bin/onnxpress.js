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
