// How programs are bundled, for the package and for the tests: ESM for Node in a few files that share their chunks.

/** Native, large, or looking for files beside themselves: they stay where they are. */
const external = [
  'onnxruntime-node',
  'onnxruntime-web',
  'sharp',
  '@huggingface/*',
  'commander',
  'hono',
  'hono/*',
  '@hono/node-server',
]

/** Options of esbuild. */
export const bundleOptions = {
  entryNames: '[name]',
  bundle: true,
  splitting: true,
  format: 'esm',
  platform: 'node',
  target: 'node20',
  external,
  logLevel: 'warning',
}
