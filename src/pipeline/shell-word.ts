// A word of a command line.

/** The word as a shell takes it: in quotes where it has to be. */
export function quoted(word: string): string {
  return /^[\w./:@%+=,-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`
}
