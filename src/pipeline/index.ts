// pipeline: whole commands as one call each. So far only inspect.
// Imports every lower room; never cli, server or jobs.
export * from './inspect.ts'
