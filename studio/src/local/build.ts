// What the build writes into the page: the version of the package, and what --help says of the options.
import type { Session } from '../types.ts'

declare const __ONNXPRESS__: { readonly version: string; readonly help: Session['help'] }

export const { version, help } = __ONNXPRESS__
