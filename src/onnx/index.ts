// onnx: the model as data — read, write, walk, edit, cut, print; facts of operators; layers and their weights.
// Imports only base. Only read.ts and write.ts know protobuf.
export * from './attributes.ts'
export { type LayerPlace, layerPlaces } from './blocks.ts'
export * from './channels/index.ts'
export { type CodeLayer, codeLayersOf } from './code-layers.ts'
export * from './consumers.ts'
export {
  type Change,
  type ChangedLayer,
  differenceOf,
  type LayerAspect,
  type ModelDifference,
} from './difference.ts'
export * from './dtype.ts'
export * from './edit.ts'
export * from './extract.ts'
export * from './giants.ts'
export * from './inline.ts'
export { type LayerForm, layerFormsOf } from './layer-forms.ts'
export * from './layers.ts'
export * from './macs.ts'
export * from './make-model.ts'
export * from './model.ts'
export * from './ops/half.ts'
export * from './ops/index.ts'
export { type NormFacts, normOf } from './ops/norms.ts'
export {
  type IntegerFacts,
  type IntegerLayer,
  integerFactsOf,
  integerWeightOf,
  type WeightForms,
  weightFormsOf,
} from './ops/quantized.ts'
export { type Part, type PartName, partsOf } from './parts.ts'
export * from './peak-bytes.ts'
export { type Piece, piecesOf } from './pieces.ts'
export * from './print.ts'
export * from './read.ts'
export * from './rename-values.ts'
export * from './shapes.ts'
export * from './sort.ts'
export * from './statistics.ts'
export * from './tensor.ts'
export * from './types.ts'
export * from './value-type.ts'
export * from './vocabulary.ts'
export * from './write.ts'
