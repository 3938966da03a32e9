// The worker is loaded as a module: ONNX Runtime finds its WebAssembly beside itself.
export default { base: './', worker: { format: 'es' } }
