// A recipe as the command line that repeats it.
import type { Recipe } from './recipe.ts'

/** Options that a recipe has by default need not be written. */
const defaults: Readonly<Record<string, unknown>> = {
  samples: 64,
  weights: 'per-channel',
  weightBits: 8,
  weightStorage: 'int8',
  keep: 'if-better',
  clip: 'hold',
  keep8bit: ['first', 'last', 'depthwise'],
  activationType: 'uint8',
  range: 'minmax',
  mode: 'static',
  effort: 'default',
  target: 'ort-cpu',
  seed: 0,
  exif: false,
  metric: 'top1',
  method: 'auto',
  select: 'knapsack',
  loss: 'error',
  multiple: 1,
}

/** Lists that are one comma-separated word. */
const joinedLists = new Set(['passes', 'techniques', 'macs', 'bytes', 'latency'])

/** `onnxpress quantize model.onnx --data images …`. A preprocessing that was given as an object has no word: see the recipe. */
export function commandLineOf(recipe: Recipe): string {
  const { version: _version, command, model, ...options } = recipe
  const words = ['onnxpress', command, quoted(model)]
  for (const [name, value] of Object.entries(options)) {
    if (value === undefined || isDefault(command, name, value)) continue
    const option = `--${name.replace(/[A-Z]|8/g, (letter) => `-${letter.toLowerCase()}`)}`
    if (name === 'other') words.splice(3, 0, quoted(String(value)))
    else if (name === 'output') words.push('-o', quoted(String(value)))
    else if (value === true) words.push(option)
    else if (joinedLists.has(name) && Array.isArray(value))
      words.push(...(value.length > 0 ? [option, value.join(',')] : []))
    else if (Array.isArray(value)) for (const item of value) words.push(option, quoted(String(item)))
    else if (typeof value === 'object')
      for (const [key, dims] of Object.entries(value)) {
        if (name === 'shape' && Array.isArray(dims)) words.push(option, quoted(`${key}:${dims.join('x')}`))
      }
    else words.push(option, quoted(String(value)))
  }
  return words.join(' ')
}

function isDefault(command: string, name: string, value: unknown): boolean {
  const usual = name === 'samples' && command === 'compress' ? 384 : defaults[name]
  return Array.isArray(value) && Array.isArray(usual) ? value.join() === usual.join() : value === usual
}

function quoted(word: string): string {
  return /^[\w./:@%+=,-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`
}
