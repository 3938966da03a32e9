// The built command line for tests: built when the sources are newer, and by one test file at a time.
import { execFileSync } from 'node:child_process'
import { mkdirSync, readdirSync, rmSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'

const lock = join('dist', 'building')
const limitMs = 120_000

/** Sees to it that `bin/onnxpress.js` runs what `src` says, and that the studio's page is the one of `studio`. */
export async function built(): Promise<void> {
  mkdirSync('dist', { recursive: true })
  const end = Date.now() + limitMs
  while (!take()) {
    // Whoever held it so long was killed.
    if (Date.now() > end) rmSync(lock, { recursive: true, force: true })
    await setTimeout(100)
  }
  try {
    const sources = Math.max(newest('src', 'tsconfig.build.json'), newest('scripts'), newest('studio'))
    // The page without a server is built last.
    if (Math.min(changed('dist/bundle/main.js'), changed('dist/browser/index.html')) > sources) return
    const env = { ...process.env, NODE_OPTIONS: '' }
    execFileSync(process.execPath, ['scripts/build.mjs'], { env, stdio: 'pipe' })
  } finally {
    rmSync(lock, { recursive: true, force: true })
  }
}

function take(): boolean {
  try {
    mkdirSync(lock)
    return true
  } catch {
    return false
  }
}

function changed(path: string): number {
  return statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? 0
}

function newest(folder: string, ...files: readonly string[]): number {
  const sources = readdirSync(folder, { recursive: true }).map((name) => join(folder, String(name)))
  return Math.max(...[...sources, ...files].map(changed))
}
