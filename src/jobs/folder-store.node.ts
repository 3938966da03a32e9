// A store in a folder, which machines may share.
import { createHash, randomUUID } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { mkdir, open, rename } from 'node:fs/promises'
import { join } from 'node:path'
import { InputError } from '../base/index.ts'
import { withTemporary } from '../onnx/index.node.ts'
import { type ContentStore, isContentKey } from './store.ts'

/** A store whose files have their keys as names. A file is there in full or not at all, whoever else writes it meanwhile. */
export function folderStore(folder: string): ContentStore {
  const fileOf = (key: string) => {
    if (!isContentKey(key)) throw new InputError(`"${key}" is not a key of a store: expected sha256- and 64 digits`)
    return join(folder, key)
  }
  return {
    put: async (chunks) => {
      await mkdir(folder, { recursive: true })
      const hash = createHash('sha256')
      return withTemporary(join(folder, `.${randomUUID()}`), async (temporary) => {
        const file = await open(temporary, 'wx')
        try {
          for await (const chunk of chunks) {
            hash.update(chunk)
            await file.writeFile(chunk)
          }
          await file.sync()
        } finally {
          await file.close()
        }
        const key = `sha256-${hash.digest('hex')}`
        await rename(temporary, fileOf(key))
        return key
      })
    },
    get: async function* (key) {
      const hash = createHash('sha256')
      try {
        for await (const chunk of createReadStream(fileOf(key))) {
          hash.update(chunk)
          yield chunk
        }
      } catch (error) {
        if (!(error instanceof Error && 'code' in error && error.code === 'ENOENT')) throw error
        throw new InputError(`there is nothing under ${key} in ${folder}; is it the store that the job was made with?`)
      }
      const found = `sha256-${hash.digest('hex')}`
      if (found !== key)
        throw new InputError(`${join(folder, key)} is damaged: its content is ${found}; delete it and add it again`)
    },
  }
}
