// "Did you mean": the known word nearest to a mistyped one.
import leven from 'leven'

/** The candidate at most a third of the word's letters away from `word` (two neighbours swapped count as one), or undefined. */
export function nearestWord(word: string, candidates: readonly string[]): string | undefined {
  const most = Math.max(1, Math.floor(word.length / 3))
  const [nearest] = candidates
    .map((candidate) => ({ candidate, edits: editsBetween(word.toLowerCase(), candidate.toLowerCase()) }))
    .filter(({ edits }) => edits <= most)
    .sort((a, b) => a.edits - b.edits)
  return nearest?.candidate
}

/** What to add to a sentence that names an unknown word: `; did you mean "exif"?`, or nothing. */
export function didYouMean(word: string, candidates: readonly string[]): string {
  const nearest = nearestWord(word, candidates)
  return nearest === undefined ? '' : `; did you mean "${nearest}"?`
}

function editsBetween(a: string, b: string): number {
  return isSwapOf(a, b) ? 1 : leven(a, b)
}

/** Are they the same but for two neighbouring letters? */
function isSwapOf(a: string, b: string): boolean {
  const at = [...a].findIndex((letter, i) => letter !== b[i])
  return at >= 0 && b === a.slice(0, at) + (a[at + 1] ?? '') + a.charAt(at) + a.slice(at + 2)
}
