// What a field of a recipe says beside its type: its text, and how the command line writes it.
import * as z from 'zod'

/**
 * The words of a field, given as `.meta({ … })` or, when there is only a text, `.describe('…')`. They stand in the JSON schema
 * too, so that forms can show them.
 */
export const fieldWords = z.strictObject({
  /** What it does: the text of `--help`, of the form and of the option tables. */
  description: z.string(),
  /** Stands for the value: `<n>`. "path", "file" and "dir" make a file picker of it. */
  placeholder: z.string().exactOptional(),
  /** What happens when nothing is said, where the schema has no default that says it. */
  usual: z.string().exactOptional(),
  /** It is an argument, not an option. */
  argument: z.literal(true).exactOptional(),
  /** One letter: `-o`. */
  short: z.string().exactOptional(),
  /** Older words of the option, which still work and are not shown. */
  aliases: z.array(z.string()).exactOptional(),
  /** Older words of its choices → what they are called now; they still work on the command line and are not shown. */
  formerly: z.record(z.string(), z.string()).exactOptional(),
})

export type FieldWords = z.output<typeof fieldWords>

/** A value that nobody changes. */
type Frozen<T> = T extends readonly (infer Item)[]
  ? readonly Frozen<Item>[]
  : T extends object
    ? { readonly [Key in keyof T]: Frozen<T[Key]> }
    : T

/** What a description gives once it has checked a recipe. */
export type RecipeOf<Schema extends z.ZodType> = Frozen<z.output<Schema>>
