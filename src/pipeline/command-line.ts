// A recipe as the command line that repeats it.
import { type Recipe, recipeDefaults } from './recipe.ts'
import { quoted } from './shell-word.ts'

/** Lists that are one comma-separated word. */
const joinedLists = new Set(['passes', 'techniques', 'macs', 'bytes', 'latency'])

/** `onnxpress quantize model.onnx --data images …`. A preprocessing that was given as an object has no word: see the recipe. */
export function commandLineOf(recipe: Recipe): string {
  const { version: _version, command, model, ...options } = recipe
  const words = ['onnxpress', command, quoted(model)]
  const usual = recipeDefaults(command)
  for (const [name, value] of Object.entries(options)) {
    if (value === undefined || isSame(value, usual[name])) continue
    const option = `--${name.replace(/[A-Z]|8/g, (letter) => `-${letter.toLowerCase()}`)}`
    if (name === 'other') words.splice(3, 0, quoted(String(value)))
    else if (name === 'output') words.push('-o', quoted(String(value)))
    else if (value === true) words.push(option)
    else if (value === false) words.push(option.replace('--', '--no-'))
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

/** Is it what the recipe would hold anyway? */
function isSame(value: unknown, usual: unknown): boolean {
  return JSON.stringify(value) === JSON.stringify(usual)
}
