// Decoded pictures as samples, wherever they come from: a folder, or files that were dropped on a page.
import { InputError, messageOf } from '../../base/index.ts'
import { completePreprocess, pictureInput } from '../complete-preprocess.ts'
import { convertValue } from '../convert.ts'
import type { InputSpec } from '../dataset.ts'
import { type GivenShapes, inputType } from '../input-shape.ts'
import { type DecodedPicture, orient, type Picture } from '../picture.ts'
import { pictureTransform } from '../picture-tensor.ts'
import type { Preprocess } from '../preprocess.ts'
import type { Source } from '../source.ts'

export interface PictureOptions {
  readonly inputs: readonly InputSpec[]
  readonly preprocess?: Preprocess | undefined
  readonly shapes?: GivenShapes | undefined
  /** Apply the EXIF orientation, whatever the preprocessing says. */
  readonly exif?: boolean | undefined
}

/** Pictures that lie somewhere, and how to get at them. */
export interface Pictures {
  /** Of the whole set. */
  readonly name: string
  /** Their names, which are the ids of the samples, in order. */
  readonly files: readonly string[]
  readonly decode: (file: string) => Promise<DecodedPicture>
  /** What messages call a file; its name if not given. */
  readonly pathOf?: (file: string) => string
  /** What is to be said of the set. */
  readonly notes?: readonly string[]
}

/** Pictures as samples for a model: decoded when they are asked for, turned, resized, cropped and scaled. */
export function picturesSource(
  { name, files, decode, pathOf = (file) => file, notes: openingNotes = [] }: Pictures,
  options: PictureOptions,
): Source {
  const input = pictureInput(options.inputs)
  const given = options.exif ? { ...options.preprocess, exifOrientation: 'apply' as const } : options.preprocess
  const { preprocess, notes } = completePreprocess(given, input, options.shapes?.[input.name])
  const transform = pictureTransform(preprocess)
  const dtype = inputType(input)
  const met = new Met()
  const upright = preprocess.exifOrientation === 'apply'
  return {
    name,
    size: files.length,
    fed: new Set([input.name]),
    hasLabels: false,
    preprocess,
    notes: () => [...openingNotes, ...notes, ...met.notes(upright)],
    id: (index) => files[index] ?? '',
    read: async (index) => {
      const file = files[index] ?? ''
      const decoded = await decode(file)
      met.see(index, decoded)
      const picture = upright && decoded.orientation ? orient(decoded, decoded.orientation) : decoded
      return { values: { [input.name]: convertValue(transformed(picture, pathOf(file)), dtype) } }
    },
  }

  function transformed(picture: Picture, file: string): ReturnType<typeof transform> {
    try {
      return transform(picture)
    } catch (error) {
      throw error instanceof InputError
        ? new InputError(`the picture ${file} ${messageOf(error)}`, { file }, error)
        : error
    }
  }
}

/** Which pictures were unusual, so that the report can say how many. */
class Met {
  readonly #grey = new Set<number>()
  readonly #turned = new Set<number>()

  see(index: number, picture: DecodedPicture): void {
    if (picture.grey) this.#grey.add(index)
    if (picture.orientation) this.#turned.add(index)
  }

  notes(upright: boolean): string[] {
    const notes: string[] = []
    if (this.#grey.size > 0)
      notes.push(`${pictures(this.#grey.size)} had one channel (grey), copied into red, green and blue`)
    if (this.#turned.size > 0)
      notes.push(
        `${pictures(this.#turned.size)} had an EXIF orientation, which was ${upright ? 'applied' : 'ignored (--exif applies it)'}`,
      )
    return notes
  }
}

function pictures(count: number): string {
  return count === 1 ? '1 picture' : `${count} pictures`
}
