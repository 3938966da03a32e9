// What all graphs and forms of one command have in common.
import type { Watch } from '../../base/index.ts'
import type { VariantsRecipe } from '../../recipe/index.ts'
import type { Runtime } from '../../runtime/index.ts'

/** One graph of a model. */
export interface GraphFile {
  /** What transformers.js calls it: model, encoder_model, decoder_model_merged … */
  readonly name: string
  readonly file: string
}

export interface Job {
  readonly recipe: VariantsRecipe
  /** The first one makes the variants. */
  readonly runtimes: readonly [Runtime, ...Runtime[]]
  /** Where files lie until all are done, */
  readonly staging: string
  /** and where they go then. */
  readonly folder: string
  /** All graphs of the model, */
  readonly graphs: readonly GraphFile[]
  /** and where its configuration lies. */
  readonly root: string
  /** Is there one graph alone? */
  readonly alone: boolean
  /** Is added to. */
  readonly notes: string[]
  readonly watch: Watch
}
