// The page may load nothing and run nothing but its own style and script, which are named by their hashes.

/** SHA-256 of `pageStyle` and `pageScript`; a test says the new ones when either changes. */
export const styleHash = 'sha256-bqUN3uOh2Eq8/fUfTLc11E1QJ8nH7rkDOCA7apH2Mc4='
export const scriptHash = 'sha256-+U0qbcU4em6aVWVSrvp9omF0FPGpIsXyzzna+Nf9D1E='

/** The Content-Security-Policy of the page. */
export const contentPolicy: string = `default-src 'none'; style-src '${styleHash}'; script-src '${scriptHash}'; base-uri 'none'; form-action 'none'`
