// Comma-separated values as in RFC 4180: quotes, doubled quotes, CRLF, a byte order mark; empty lines are skipped.

/** The rows of a CSV text, each a list of cells. */
export function parseCsv(text: string): string[][] {
  const rows: string[][] = []
  let row: string[] = []
  // Each match is one cell and what ends it: a comma, a line break, or the end of the text.
  const cells = /(?:"((?:[^"]|"")*)"[^,\r\n]*|([^,\r\n]*))(,|\r\n|\n|\r|$)/gy
  const content = text.replace(/^\uFEFF/, '')
  while (cells.lastIndex <= content.length) {
    const match = cells.exec(content)
    if (!match) break
    row.push(match[1] === undefined ? (match[2] ?? '').trim() : match[1].replaceAll('""', '"'))
    if (match[3] === ',') continue
    if (row.length > 1 || row[0] !== '') rows.push(row)
    row = []
    if (match[3] === '') break
  }
  return rows
}
