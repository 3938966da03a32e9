// jobs on Node: a job is a process of the command line, so that a crash or a cancel touches nothing else.
// Imports pipeline and lower modules; never server or cli.
export * from './spawn-run.node.ts'
