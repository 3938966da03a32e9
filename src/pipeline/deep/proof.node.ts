// The proof of a file: what was found of it, where, and all that is needed to find it again on another machine.
import { createHash } from 'node:crypto'
import { createReadStream, existsSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { basename } from 'node:path'
import * as z from 'zod'
import { InputError } from '../../base/index.ts'
import { filesOfModel, writeFileAtomic } from '../../onnx/index.node.ts'
import type { CompareRecipe } from '../../recipe/index.ts'
import { cpuFlags, describeEnvironment } from '../../runtime/index.node.ts'
import type { Runtime } from '../../runtime/index.ts'
import type { CompareRun } from '../compare-run.ts'
import { type DeepRun, differing } from './run.ts'

const file = z.object({ file: z.string(), sha256: z.string(), bytes: z.number() })
/** null is an exact match. */
const decibels = z.record(z.string(), z.number().nullable())

const proofSchema = z.object({
  kind: z.literal('onnxpress proof'),
  version: z.literal(1),
  model: file,
  original: file,
  /** The comparison that made it; where its samples lay. */
  recipe: z.record(z.string(), z.unknown()),
  /** What the model was fed. */
  samples: z.object({ count: z.number(), sha256: z.string() }),
  environment: z.record(z.string(), z.string()),
  cpuFlags: z.array(z.string()),
  /** Against the original, on all samples. */
  comparison: z.object({ samples: z.number(), agreement: z.number().optional(), sqnrDb: decibels }),
  /** Each runtime against the simulation: SQNR of the outputs, and pieces that differ. */
  runtimes: z.record(z.string(), z.object({ version: z.string(), sqnrDb: decibels, differing: z.array(z.string()) })),
})

/** A proof as it is written. */
export type Proof = z.output<typeof proofSchema>

/** `model.int8.proof.json` beside `model.int8.onnx`. */
export function proofBeside(model: string): string {
  return `${model.replace(/\.onnx$/i, '')}.proof.json`
}

/** What each runtime made of the file, as proofs have it. */
export function figuresOf(deep: DeepRun): Proof['runtimes'] {
  return Object.fromEntries(
    Object.entries(deep.runtimes).map(([name, version]) => [
      name,
      {
        version,
        sqnrDb: deep.outputs[name] ?? {},
        differing: differing(deep).flatMap(({ name: piece, runtimes }) => (runtimes[name]?.differs ? [piece] : [])),
      },
    ]),
  )
}

/** Writes the proof of a comparison in depth. */
export async function writeProof(
  path: string,
  recipe: CompareRecipe,
  { comparison, deep }: CompareRun & { readonly deep: DeepRun },
  { runtime, samplesHash }: { readonly runtime: Runtime; readonly samplesHash: string },
): Promise<void> {
  const { agreement, samples, sqnrDb } = comparison
  const proof: Proof = {
    kind: 'onnxpress proof',
    version: 1,
    model: await fileOf(recipe.other),
    original: await fileOf(recipe.model),
    recipe: samplesOf(recipe),
    samples: { count: deep.samples, sha256: samplesHash },
    environment: describeEnvironment(runtime),
    cpuFlags: cpuFlags(),
    comparison: { samples, ...(agreement === undefined ? {} : { agreement }), sqnrDb },
    runtimes: figuresOf(deep),
  }
  await writeFileAtomic(path, `${JSON.stringify(proof, null, 2)}\n`)
}

/** The comparison without what it wrote. */
function samplesOf({ repair: _, ...recipe }: CompareRecipe): Record<string, unknown> {
  return { ...recipe, proof: false }
}

/** Reads a proof. @throws InputError where there is none, or it is something else */
export async function readProof(path: string): Promise<Proof> {
  const wrong = (what: string) => new InputError(`cannot verify by ${path}: ${what}`, { file: path })
  if (!existsSync(path)) throw wrong('there is no such file; compare --deep --proof writes it')
  let json: unknown
  try {
    json = JSON.parse(await readFile(path, 'utf8'))
  } catch {
    throw wrong('it is not a JSON file')
  }
  const parsed = proofSchema.safeParse(json)
  if (parsed.success) return parsed.data
  throw wrong(`"${parsed.error.issues[0]?.path.join('.')}" is not what a proof of version 1 has there`)
}

/** Name, hash and size of a model, its external data among them. */
export async function fileOf(path: string): Promise<Proof['model']> {
  const hash = createHash('sha256')
  let bytes = 0
  for (const file of await filesOfModel(path))
    for await (const chunk of createReadStream(file)) {
      hash.update(chunk)
      bytes += chunk.length
    }
  return { file: basename(path), sha256: hash.digest('hex'), bytes }
}
