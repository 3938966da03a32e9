// server: the studio's back end — Hono routes, server-sent events, the guard at the entry.
// Imports jobs, pipeline and lower modules; never cli. What runs a model runs in a worker or a process of its own.
export * from './start.node.ts'
