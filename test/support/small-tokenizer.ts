// A WordPiece tokenizer of a dozen words, as a Hugging Face folder has it.
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

const words = [
  '[PAD]',
  '[UNK]',
  '[CLS]',
  '[SEP]',
  'the',
  'cat',
  'dog',
  'sat',
  'ran',
  'home',
  'fast',
  '##er',
  'a',
  'big',
  '.',
  'old',
]

/** How many tokens there are; their numbers are 0 to 15. */
export const smallVocabulary: number = words.length

/** The numbers of words. */
export function tokensOf(...names: readonly string[]): number[] {
  return names.map((name) => words.indexOf(name))
}

const special = (name: string) => ({
  ...{ id: words.indexOf(name), content: name, special: true },
  ...{ single_word: false, lstrip: false, rstrip: false, normalized: false },
})

/** What a tokenizer.json holds: `[CLS] sentence [SEP]`, padded with `[PAD]`. */
export function smallTokenizer(more: object = {}): object {
  return {
    version: '1.0',
    added_tokens: ['[PAD]', '[UNK]', '[CLS]', '[SEP]'].map(special),
    normalizer: { type: 'BertNormalizer', clean_text: true, handle_chinese_chars: true, lowercase: true },
    pre_tokenizer: { type: 'BertPreTokenizer' },
    post_processor: {
      type: 'TemplateProcessing',
      single: [
        { SpecialToken: { id: '[CLS]', type_id: 0 } },
        { Sequence: { id: 'A', type_id: 0 } },
        { SpecialToken: { id: '[SEP]', type_id: 0 } },
      ],
      pair: [],
      special_tokens: {
        '[CLS]': { id: '[CLS]', ids: tokensOf('[CLS]'), tokens: ['[CLS]'] },
        '[SEP]': { id: '[SEP]', ids: tokensOf('[SEP]'), tokens: ['[SEP]'] },
      },
    },
    decoder: { type: 'WordPiece', prefix: '##', cleanup: true },
    model: {
      ...{ type: 'WordPiece', unk_token: '[UNK]', continuing_subword_prefix: '##', max_input_chars_per_word: 100 },
      vocab: Object.fromEntries(words.map((word, id) => [word, id])),
    },
    ...more,
  }
}

/** Writes a folder with the tokenizer and what else it is given; returns the folder. */
export function writeTokenizer(folder: string, files: Readonly<Record<string, object>> = {}): string {
  mkdirSync(folder, { recursive: true })
  for (const [name, content] of Object.entries({ 'tokenizer.json': smallTokenizer(), ...files }))
    writeFileSync(join(folder, name), JSON.stringify(content))
  return folder
}
