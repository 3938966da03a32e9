// Pictures: a folder, a folder of class folders, one file, or what a glob finds.
import { readdir, stat } from 'node:fs/promises'
import { basename, extname, join, resolve } from 'node:path'
import { InputError } from '../../base/index.ts'
import { decodePicture } from '../decode.node.ts'
import type { ImagesDescription } from '../description.ts'
import { globFiles, listFiles } from '../glob.node.ts'
import { type Source, withLabels } from '../source.ts'
import { type PictureOptions, picturesSource } from './pictures.ts'

const extensions = ['.jpg', '.jpeg', '.png', '.webp']
const expected = 'expected .jpg .jpeg .png .webp or a JSON description'

/** Is this the name of a picture that can be decoded? */
export function isPictureName(name: string): boolean {
  return extensions.includes(extname(name).toLowerCase())
}

/** One picture. */
export function openPicture(file: string, options: PictureOptions): Source {
  return inFolder(basename(file), resolve(file, '..'), [basename(file)], [], options)
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
    return inFolder(name, folder, here, notes, options)
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
  const source = inFolder(name, folder, files, [note], options)
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
  return inFolder(name, folder, files, [], options)
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

function inFolder(
  name: string,
  folder: string,
  files: readonly string[],
  notes: readonly string[],
  options: PictureOptions,
): Source {
  const pathOf = (file: string) => join(folder, file)
  return picturesSource({ name, files, notes, pathOf, decode: (file) => decodePicture(pathOf(file)) }, options)
}
