// Pictures: a folder, a folder of class folders, one file, or what a glob finds.
import { readdir, stat } from 'node:fs/promises'
import { basename, extname, join, resolve } from 'node:path'
import { InputError, messageOf } from '../../base/index.ts'
import { completePreprocess, pictureInput } from '../complete-preprocess.ts'
import { convertValue } from '../convert.ts'
import type { InputSpec } from '../dataset.ts'
import { decodePicture } from '../decode.node.ts'
import type { ImagesDescription } from '../description.ts'
import { globFiles, listFiles } from '../glob.node.ts'
import { type GivenShapes, inputType } from '../input-shape.ts'
import { type DecodedPicture, orient, type Picture } from '../picture.ts'
import { pictureTransform } from '../picture-tensor.ts'
import type { Preprocess } from '../preprocess.ts'
import { type Source, withLabels } from '../source.ts'

const extensions = ['.jpg', '.jpeg', '.png', '.webp']
const expected = 'expected .jpg .jpeg .png .webp or a JSON description'

export interface PictureOptions {
  readonly inputs: readonly InputSpec[]
  readonly preprocess?: Preprocess | undefined
  readonly shapes?: GivenShapes | undefined
  /** Apply the EXIF orientation, whatever the preprocessing says. */
  readonly exif?: boolean | undefined
}

/** Is this the name of a picture that can be decoded? */
export function isPictureName(name: string): boolean {
  return extensions.includes(extname(name).toLowerCase())
}

/** One picture. */
export function openPicture(file: string, options: PictureOptions): Source {
  return picturesSource(basename(file), resolve(file, '..'), [basename(file)], [], options)
}

/**
 * The pictures in a folder, sorted; or, when there are none, those in its sub-folders, whose sorted position is the class.
 * @throws InputError when there are no pictures
 */
export async function openFolder(folder: string, options: PictureOptions): Promise<Source> {
  const name = basename(resolve(folder))
  const here = (await listFiles(folder, false)).filter(isPictureName)
  const classNames = await subFolders(folder)
  if (here.length > 0) {
    const notes = await descriptionsIn(folder)
    return picturesSource(name, folder, here, notes, options)
  }
  const files: string[] = []
  const labels: number[] = []
  for (const [label, className] of classNames.entries())
    for (const file of (await listFiles(join(folder, className), true)).filter(isPictureName)) {
      files.push(`${className}/${file}`)
      labels.push(label)
    }
  if (files.length === 0) throw new InputError(`no pictures in ${folder}; ${expected}`, { file: folder })
  const note = `the ${classNames.length} sub-folders are the classes, in sorted order: 0 is "${classNames[0]}"`
  const source = picturesSource(name, folder, files, [note], options)
  return withLabels(source, async (index) => labels[index]!, { classes: classNames.length, classNames })
}

/** The pictures that a description's globs find, sorted; labels are added by the caller. */
export async function openImages(
  folder: string,
  name: string,
  description: ImagesDescription,
  options: PictureOptions,
): Promise<Source> {
  const patterns = [description.files].flat()
  const files = await globFiles(folder, patterns)
  if (files.length === 0)
    throw new InputError(`no pictures in ${folder} match "${patterns.join('", "')}", which ${name} asks for`, {
      file: folder,
    })
  return picturesSource(name, folder, files, [], options)
}

async function subFolders(folder: string): Promise<string[]> {
  const names = (await readdir(folder)).filter((name) => !name.startsWith('.')).sort()
  const infos = await Promise.all(names.map((name) => stat(join(folder, name)).catch(() => undefined)))
  return names.filter((_, index) => infos[index]?.isDirectory())
}

async function descriptionsIn(folder: string): Promise<string[]> {
  const found = (await listFiles(folder, false)).filter((name) => /\.(json|csv)$/i.test(name))
  return found.length === 0
    ? []
    : [
        `the folder was read as pictures without labels; it also holds ${found.join(', ')}, which can be given as --data or --labels`,
      ]
}

function picturesSource(
  name: string,
  folder: string,
  files: readonly string[],
  openingNotes: readonly string[],
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
      const file = join(folder, files[index] ?? '')
      const decoded = await decodePicture(file)
      met.see(index, decoded)
      const picture = upright && decoded.orientation ? orient(decoded, decoded.orientation) : decoded
      return { values: { [input.name]: convertValue(transformed(picture, file), dtype) } }
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
