// search on Node: the evaluation cache on disk.
// Imports only base and the rest of this room.
export * from './cache.node.ts'
