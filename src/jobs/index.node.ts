// jobs on Node: a job is a process of the command line, so that a crash or a cancel touches nothing else.
// Imports pipeline and lower modules; never server or cli.
export { folderStore } from './folder-store.node.ts'
export { layOut, storeInput } from './inputs.node.ts'
export * from './run-from-store.node.ts'
export * from './spawn-run.node.ts'
