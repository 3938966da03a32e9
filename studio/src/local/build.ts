// What the build writes into the page: the version of the package.

declare const __ONNXPRESS__: { readonly version: string }

export const { version } = __ONNXPRESS__
