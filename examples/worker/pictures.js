// Pictures of the person as samples: the browser decodes them.
import { datasetOf, findPreset, picturesSource } from 'onnxpress/data'

async function decode(file) {
  const bitmap = await createImageBitmap(file)
  const { width, height } = bitmap
  const context = new OffscreenCanvas(width, height).getContext('2d')
  context.drawImage(bitmap, 0, 0)
  const rgba = context.getImageData(0, 0, width, height).data
  return { width, height, data: Uint8Array.from(rgba.filter((_, i) => i % 4 < 3)), grey: false }
}

/** A data set of picture files, prepared as `preset` says and as the model's input wants it. */
export function datasetOfPictures(files, inputs, preset) {
  const byName = new Map(files.map((file) => [file.name, file]))
  const pictures = { name: 'pictures', files: [...byName.keys()], decode: (name) => decode(byName.get(name)) }
  const options = { inputs, preprocess: findPreset(preset) }
  return datasetOf(picturesSource({ ...pictures, notes: [] }, options), options)
}
