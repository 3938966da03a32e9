// data on Node: samples from folders, files and modules. sharp is loaded with the first picture.
// Imports only base and the rest of this module.
export * from './decode.node.ts'
export { type FeatureExtractor, openFeatureExtractor, processorBeside } from './feature-extractor.node.ts'
export * from './open-dataset.node.ts'
export { openTokenizer, type SentenceTokenizer, tokenizerBeside } from './tokenizer.node.ts'
