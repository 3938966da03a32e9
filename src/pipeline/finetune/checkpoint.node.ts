// What a training leaves beside its output until it is done: a checkpoint to resume from, and after an interruption the best model.
import { existsSync } from 'node:fs'
import { readFile, rm } from 'node:fs/promises'
import { CancelledError } from '../../base/index.ts'
import { writeFileAtomic, writeModelFile } from '../../onnx/index.node.ts'
import type { FinetuneRecipe } from '../../recipe/index.ts'
import {
  type Arrays,
  cloneArrays,
  decodeState,
  encodeState,
  type TrainableModel,
  type TrainState,
  type Tuned,
} from '../../train/index.ts'

/** The files of one training. */
export class Checkpoint {
  readonly #output: string
  readonly #file: string
  readonly #fingerprint: string

  /** @param size bytes of the model that is trained */
  constructor(recipe: FinetuneRecipe, output: string, size: number) {
    this.#output = output
    this.#file = `${output}.checkpoint`
    this.#fingerprint = fingerprintOf(recipe, size)
  }

  /** Where an interrupted training ended, and what there is to say of it. @throws InputError for another training's */
  async read(): Promise<{ readonly state?: TrainState; readonly note: string }> {
    const file = this.#file
    if (!existsSync(file)) return { note: `there was no checkpoint ${file}; the training began from the start` }
    const state = decodeState(new Uint8Array(await readFile(file)), this.#fingerprint, file)
    return { state, note: `resumed after ${state.epoch} epochs and ${state.step} steps` }
  }

  /** Runs a training whose states are saved; an interruption also leaves the best model so far. */
  async keepBest(
    trainable: TrainableModel,
    train: (save: (state: TrainState) => Promise<void>) => Promise<Tuned>,
  ): Promise<Tuned> {
    let best: Arrays | undefined
    const save = async (state: TrainState): Promise<void> => {
      best = cloneArrays(state.best?.values ?? state.values)
      await writeFileAtomic(this.#file, encodeState(state, this.#fingerprint))
    }
    try {
      return await train(save)
    } catch (error) {
      if (!(error instanceof CancelledError && best)) throw error
      const file = this.#bestFile()
      await writeModelFile(trainable.exported(best), file)
      throw new CancelledError(`interrupted; the best model so far is ${file}, --resume goes on from ${this.#file}`)
    }
  }

  /** The training is done and written. */
  async remove(): Promise<void> {
    await rm(this.#file, { force: true })
    await rm(this.#bestFile(), { force: true })
  }

  #bestFile(): string {
    return `${this.#output.replace(/\.onnx$/, '')}.best.onnx`
  }
}

/** What must be the same for a training to be resumed. */
function fingerprintOf(recipe: FinetuneRecipe, size: number): string {
  const { resume: _resume, output: _output, memory: _memory, threads: _threads, ...rest } = recipe
  return JSON.stringify({ ...rest, size })
}
