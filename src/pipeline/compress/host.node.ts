// What a machine with a disk does for a compression: it keeps what was found out by content, and is measured.
import { createHash } from 'node:crypto'
import { mkdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { writeFileAtomic } from '../../onnx/index.node.ts'
import { withSpillFolder } from '../../runtime/index.node.ts'
import { openCache } from '../../search/index.node.ts'
import { memoryCache } from '../../search/index.ts'
import { thisMachine } from './machine.node.ts'
import type { CompressHost, RunMemory } from './problem.ts'

/** @param folder where results are kept for the next run; without one they end with the process */
export function diskHost(folder: string | undefined): CompressHost {
  return { withSpill: withSpillFolder, memory: memoryIn(folder), machine: thisMachine() }
}

function memoryIn(folder: string | undefined): RunMemory {
  if (folder === undefined)
    return { cache: memoryCache(), digest, readModel: async () => undefined, keepModel: async () => {} }
  const file = (key: string) => join(folder, `${digest([key]).slice(0, 24)}.onnx`)
  return {
    cache: openCache(join(folder, 'compress.jsonl')),
    digest,
    readModel: (key) => readFile(file(key)).catch(() => undefined),
    keepModel: async (key, bytes) => {
      await mkdir(folder, { recursive: true })
      await writeFileAtomic(file(key), bytes)
    },
  }
}

function digest(parts: Iterable<string | Uint8Array>): string {
  const hash = createHash('sha256')
  for (const part of parts) hash.update(part)
  return hash.digest('hex').slice(0, 32)
}
