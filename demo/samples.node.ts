// Labelled pictures on disk, in a form that the data module opens: gzipped records and the JSON that describes them.
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { type Drawing, SIDE } from './draw.ts'
import { shapes } from './shapes.ts'

/** A byte for the label, then the planes. */
const RECORD_BYTES = 1 + 3 * SIDE * SIDE

/** Writes `<name>.json` and `<name>.bin.gz` into `folder`. Returns the bytes that both take. */
export async function writeSamples(folder: string, name: string, drawings: readonly Drawing[]): Promise<number> {
  const records = new Uint8Array(drawings.length * RECORD_BYTES)
  for (const [index, { label, planes }] of drawings.entries()) {
    records[index * RECORD_BYTES] = label
    records.set(planes, index * RECORD_BYTES + 1)
  }
  const file = `${name}.bin.gz`
  const description = {
    format: 'records',
    file,
    recordBytes: RECORD_BYTES,
    sample: { offset: 1, dtype: 'uint8', shape: [3, SIDE, SIDE] },
    label: { offset: 0, dtype: 'uint8' },
    classes: shapes.length,
    classNames: shapes.map((shape) => shape.name),
  }
  const packed = gzipSync(records, { level: 9 })
  const text = `${JSON.stringify(description, null, 2)}\n`
  await writeFile(join(folder, file), packed)
  await writeFile(join(folder, `${name}.json`), text)
  return packed.length + text.length
}
