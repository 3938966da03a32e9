// verify: the proof of a file, repeated on this machine.
import { InputError, UsageError, type Watch } from '../../base/index.ts'
import { parseRecipe, type VerifyRecipe } from '../../recipe/index.ts'
import type { Runtime } from '../../runtime/index.ts'
import { compareDeep } from './deep.node.ts'
import { deepSamples, feedsHash } from './files.node.ts'
import { figuresOf, fileOf, proofBeside, readProof } from './proof.node.ts'

/** A figure of the proof, and what it is here. */
export interface VerifiedFigure {
  readonly runtime: string
  /** An output, or "layers": the number of pieces that differ from the simulation. */
  readonly name: string
  readonly proven: number | null
  /** Absent where nothing was given. */
  readonly here?: number | null
  readonly holds: boolean
}

/** Result of `verify`. */
export interface VerifyRun {
  readonly proof: string
  readonly holds: boolean
  readonly figures: readonly VerifiedFigure[]
  /** Pieces that differ here and did not there, by runtime. */
  readonly differing: Readonly<Record<string, readonly string[]>>
  readonly notes: readonly string[]
}

/** An SQNR may be this much lower: ties fall to another side in another kernel. */
const LESS_DB = 3
/** From here on only the order of sums tells two runs apart. */
const SAME_DB = 60

/**
 * Repeats the deep comparison of a proof: the same file, the same samples, the runtimes of this machine.
 * @throws InputError when the proof is of another file, or its samples are not those that are there now
 */
export async function verifyFile(runtime: Runtime, recipe: VerifyRecipe, watch: Watch = {}): Promise<VerifyRun> {
  const path = recipe.model.endsWith('.proof.json') ? recipe.model : proofBeside(recipe.model)
  const file = recipe.model.endsWith('.proof.json') ? recipe.model.replace(/\.proof\.json$/, '.onnx') : recipe.model
  const proof = await readProof(path)
  const own = await fileOf(file)
  if (own.sha256 !== proof.model.sha256)
    throw new InputError(
      `${path} is the proof of another file: ${file} has the SHA-256 ${own.sha256.slice(0, 12)}…, the proof ${proof.model.sha256.slice(0, 12)}…; prove it anew with compare --deep --proof`,
      { file },
    )
  const given = parseRecipe('compare', { ...proof.recipe, other: file }, path)
  // A proof may come from anywhere: it names files to read, and nothing to run.
  if (recipe.data === undefined && /\.[cm]?js$/i.test(given.data))
    throw new UsageError(
      `the samples of ${path} are a module, ${given.data}, which verify does not run because a proof says so: name it with --data`,
    )
  const asked = recipe.data === undefined ? given : { ...given, data: recipe.data }
  const { model, samples } = await deepSamples(asked, watch)
  if (feedsHash(samples) !== proof.samples.sha256)
    throw new InputError(
      `the samples of ${asked.data} are not those of the proof, or are prepared in another way: give --data PATH with the same ones`,
      { file: asked.data },
    )
  const here = figuresOf(await compareDeep(runtime, model.working, samples, { watch, label: file }))
  const figures: VerifiedFigure[] = []
  const differing: Record<string, readonly string[]> = {}
  const notes: string[] = []
  for (const [name, proven] of Object.entries(proof.runtimes)) {
    const now = here[name]
    if (!now) {
      notes.push(`${name} is not installed here: its figures were not repeated`)
      continue
    }
    if (now.version !== proven.version) notes.push(`${name} is version ${now.version} here, and was ${proven.version}`)
    for (const [output, db] of Object.entries(proven.sqnrDb)) {
      const here = now.sqnrDb[output]
      const holds = here !== undefined && isNear(db, here)
      figures.push({ runtime: name, name: output, proven: db, ...(here === undefined ? {} : { here }), holds })
    }
    const added = now.differing.filter((piece) => !proven.differing.includes(piece))
    if (added.length > 0) differing[name] = added
    const [before, after] = [proven.differing.length, now.differing.length]
    figures.push({ runtime: name, name: 'layers', proven: before, here: after, holds: added.length === 0 })
  }
  return { proof: path, holds: figures.every(({ holds }) => holds), figures, differing, notes }
}

function isNear(proven: number | null, here: number | null): boolean {
  if (here === null || here >= SAME_DB) return true
  return here >= (proven === null ? SAME_DB : Math.min(proven, SAME_DB)) - LESS_DB
}
