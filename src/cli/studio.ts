// onnxpress studio [FOLDER…]: serves the page until Ctrl-C.
import { spawn } from 'node:child_process'
import { existsSync, realpathSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

export interface StudioFlags {
  readonly port?: number
  readonly open?: boolean
}

/** Prints the address on one line, opens a browser, and serves until the first Ctrl-C. */
export async function studioCommand(folders: readonly string[], flags: StudioFlags, version: string): Promise<void> {
  const { startStudio } = await import('../server/index.node.ts')
  const root = packageRoot()
  const studio = await startStudio({
    folders: folders.length > 0 ? folders : ['.'],
    port: flags.port ?? 0,
    script: realpathSync(process.argv[1] ?? join(root, 'bin', 'onnxpress.js')),
    page: join(root, 'dist', 'studio'),
    version,
  })
  process.stdout.write(`${studio.url}\n`)
  if (flags.open !== false) openBrowser(studio.url)
  await new Promise<void>((resolve) => {
    for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => resolve())
  })
  await studio.close()
}

/** Opens the address with what the system has; where that fails, the printed line is there. */
function openBrowser(url: string): void {
  const [command, ...words] =
    process.platform === 'darwin'
      ? ['open', url]
      : process.platform === 'win32'
        ? ['cmd', '/c', 'start', '""', url]
        : ['xdg-open', url]
  if (command === undefined) return
  spawn(command, words, { stdio: 'ignore', detached: true })
    .on('error', () => {})
    .unref()
}

/** The folder of the package, from its source as well as from its bundle. */
function packageRoot(): string {
  let folder = dirname(fileURLToPath(import.meta.url))
  while (!existsSync(join(folder, 'package.json')) && dirname(folder) !== folder) folder = dirname(folder)
  return folder
}
