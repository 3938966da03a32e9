// The page may load nothing and run nothing but its own style and script, which are named by their hashes.

/** SHA-256 of `pageStyle` and `pageScript`; a test says the new ones when either changes. */
export const styleHash = 'sha256-uckdXX6RR0zzmN4QlzU89xFuDrrdDAVGk4lWya8Rnls='
export const scriptHash = 'sha256-j7bBtwke3d87K/bnT2msH4DSn6yk4ww9p4Rd9iw9IKY='

/** The Content-Security-Policy of the page. */
export const contentPolicy: string = `default-src 'none'; style-src '${styleHash}'; script-src '${scriptHash}'; base-uri 'none'; form-action 'none'`
