// jobs: runs waiting for their turn. The Queue interface and its form without a broker; the Node part starts processes.
// Imports pipeline and lower modules; never server or cli.
export * from './local-queue.ts'
export * from './queue.ts'
export * from './store.ts'
