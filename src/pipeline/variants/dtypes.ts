// The words that transformers.js has for forms of a model: the file that it loads for each, and the quantisation that makes it.
import { quantizeDefaults, targetOf } from '../../quantize/index.ts'
import {
  parseRecipe,
  type QuantizeRecipe,
  targetNames,
  type VariantDtype,
  type VariantsRecipe,
  variantDtypes,
} from '../../recipe/index.ts'

interface DtypeFacts {
  /** What stands behind the name of the graph. */
  readonly suffix: string
  /** What a recipe of `quantize` says. */
  readonly quantize: Partial<QuantizeRecipe>
}

/**
 * Products of matrices by the range of each run: what keeps most of a transformer, and WebAssembly computes fastest. Codes of weights are
 * unsigned for all three words: with signed ones ONNX Runtime saturates where a processor has no VNNI, and transformers.js does not tell
 * it otherwise.
 */
const dynamic: Partial<QuantizeRecipe> = { mode: 'dynamic', ...targetFor('onnxruntime-web') }
const fourBits = { mode: 'weights', weightBits: 4 } as const

const facts: Readonly<Record<VariantDtype, DtypeFacts>> = {
  q8: { suffix: '_quantized', quantize: dynamic },
  q4: { suffix: '_q4', quantize: fourBits },
  q4f16: { suffix: '_q4f16', quantize: { ...fourBits, float16: true } },
  // As many samples as 4 bits take: the ranges of q4f16 are the same.
  fp16: { suffix: '_fp16', quantize: { mode: 'float16', samples: 128 } },
  int8: { suffix: '_int8', quantize: dynamic },
  uint8: { suffix: '_uint8', quantize: dynamic },
  bnb4: { suffix: '_bnb4', quantize: { ...fourBits, weightForm: 'bnb4' } },
}

/** Endings that stand for forms which are not made here. */
const otherSuffixes = ['_q2', '_q2f16', '_q1', '_q1f16', '_q8']

/** The first target whose files a runtime runs, as a recipe says it. */
function targetFor(runtime: string): Pick<QuantizeRecipe, 'target'> | undefined {
  const name = targetNames.find((each) => targetOf(each).runtime === runtime)
  return name && { target: name }
}

/** `model`, `q4` → `model_q4.onnx`. */
export function variantFile(graph: string, dtype: VariantDtype): string {
  return `${graph}${facts[dtype].suffix}.onnx`
}

/** The runtime that a form is made for first. */
export function runtimeOf(dtype: VariantDtype): string {
  const { target } = facts[dtype].quantize
  const { runtime = quantizeDefaults.target.name } = target === undefined ? quantizeDefaults.target : targetOf(target)
  return runtime
}

/** The graph that a file name is a variant of, if it is one: `model_q4` → `model`. */
export function variantOf(name: string): string | undefined {
  const suffixes = [...variantDtypes.map((dtype) => facts[dtype].suffix), ...otherSuffixes]
  const suffix = suffixes.find((each) => name.endsWith(each) && name.length > each.length)
  return suffix === undefined ? undefined : name.slice(0, -suffix.length)
}

/** The quantisation that makes a variant of a graph; nothing is fitted to random inputs. */
export function quantizeRecipeOf(
  { samples, effort, seed, shape, threads, preprocess, exif, tokenizer, processor, val }: VariantsRecipe,
  model: string,
  data: string,
  dtype: VariantDtype,
): QuantizeRecipe {
  return parseRecipe('quantize', {
    ...facts[dtype].quantize,
    ...{ model, data: data === 'random' ? 'none' : data, effort, seed, shape, exif },
    ...(samples === undefined ? {} : { samples }),
    ...(threads === undefined ? {} : { threads }),
    ...(preprocess === undefined ? {} : { preprocess }),
    ...(tokenizer === undefined ? {} : { tokenizer }),
    ...(processor === undefined ? {} : { processor }),
    ...(val === undefined ? {} : { val }),
  })
}
