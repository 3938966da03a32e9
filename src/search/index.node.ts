// search on Node: the evaluation cache on disk.
// Imports only base and the rest of this module.
export * from './cache.node.ts'
