// Pictures: a folder, a folder of class folders, one file, or what a glob finds.
import { basename, extname, join, resolve } from 'node:path'
import { InputError } from '../../base/index.ts'
import { decodePicture } from '../decode.node.ts'
import type { ImagesDescription } from '../description.ts'
import { globFiles, listFiles } from '../glob.node.ts'
import type { Source } from '../source.ts'
import { filesIn, withClasses } from './class-folders.node.ts'
import { type PictureOptions, picturesSource } from './pictures.ts'

const extensions = ['.jpg', '.jpeg', '.png', '.webp']
const expected = 'expected .jpg .jpeg .png .webp, .wav or a JSON description'

/** Is this the name of a picture that can be decoded? */
export function isPictureName(name: string): boolean {
  return extensions.includes(extname(name).toLowerCase())
}

/** One picture. */
export function openPicture(file: string, options: PictureOptions): Source {
  return inFolder({ name: basename(file), folder: resolve(file, '..'), files: [basename(file)] }, options)
}

/**
 * The pictures in a folder, sorted; or, when there are none, those in its sub-folders, whose sorted position is the class.
 * @throws InputError when there are no pictures
 */
export async function openFolder(folder: string, options: PictureOptions): Promise<Source> {
  const name = basename(resolve(folder))
  const { files, classes } = await filesIn(folder, isPictureName)
  if (files.length === 0) throw new InputError(`no pictures in ${folder}; ${expected}`, { file: folder })
  if (!classes) return inFolder({ name, folder, files, notes: await descriptionsIn(folder) }, options)
  return withClasses(inFolder({ name, folder, files, notes: [classes.note] }, options), classes)
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
  return inFolder({ name, folder, files }, options)
}

async function descriptionsIn(folder: string): Promise<string[]> {
  const found = (await listFiles(folder, false)).filter((name) => /\.(json|csv)$/i.test(name))
  return found.length === 0
    ? []
    : [
        `the folder was read as pictures without labels; it also holds ${found.join(', ')}, which can be given as --data or --labels`,
      ]
}

interface PictureFolder {
  readonly name: string
  readonly folder: string
  readonly files: readonly string[]
  readonly notes?: readonly string[]
}

function inFolder({ name, folder, files, notes = [] }: PictureFolder, options: PictureOptions): Source {
  const pathOf = (file: string) => join(folder, file)
  return picturesSource({ name, files, notes, pathOf, decode: (file) => decodePicture(pathOf(file)) }, options)
}
