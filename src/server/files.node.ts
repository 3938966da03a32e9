// Looking around in the folders that were named: what a person picks a model or samples from.
import { readdir, stat } from 'node:fs/promises'
import { dirname, extname, join } from 'node:path'
import { InputError } from '../base/index.ts'
import type { Folders } from './confine.node.ts'
import type { FileEntry, FileListing } from './messages.ts'

/** Entries shown of one folder: a data set may have a hundred thousand. */
const most = 500

const kinds: Readonly<Record<string, FileEntry['kind']>> = {
  '.onnx': 'model',
  '.json': 'data',
  '.npy': 'data',
  '.csv': 'data',
  '.txt': 'data',
  '.jpg': 'picture',
  '.jpeg': 'picture',
  '.png': 'picture',
  '.webp': 'picture',
}

/**
 * Lists a folder: folders first, then models, then the rest, by name.
 * @throws UsageError outside of the folders, InputError when it cannot be read
 */
export async function listFiles(folders: Folders, path: string): Promise<FileListing> {
  const folder = folders.confine(path)
  const found = await readdir(folder, { withFileTypes: true }).catch((error: unknown) => {
    throw new InputError(`cannot look into ${path}: it is not a folder that can be read`, { file: path }, error)
  })
  const entries = found
    .filter((entry) => !entry.name.startsWith('.') && (entry.isDirectory() || entry.isFile()))
    .map((entry) => ({
      name: entry.name,
      path: join(folder, entry.name),
      kind: entry.isDirectory() ? ('folder' as const) : (kinds[extname(entry.name).toLowerCase()] ?? 'other'),
    }))
    .sort((a, b) => rank(a.kind) - rank(b.kind) || a.name.localeCompare(b.name, 'en', { numeric: true }))
  const shown = await Promise.all(entries.slice(0, most).map(withSize))
  const above = dirname(folder)
  return {
    path: folder,
    ...(folders.holds(above) && above !== folder ? { parent: above } : {}),
    entries: shown,
    more: entries.length - shown.length,
  }
}

async function withSize(entry: FileEntry): Promise<FileEntry> {
  if (entry.kind === 'folder') return entry
  const info = await stat(entry.path).catch(() => undefined)
  return info ? { ...entry, sizeBytes: info.size } : entry
}

function rank(kind: FileEntry['kind']): number {
  return ['folder', 'model', 'data', 'picture', 'other'].indexOf(kind)
}
