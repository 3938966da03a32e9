// The page's small script: sorting tables and copying text. Without it the page loses nothing but the buttons.

/** Plain JavaScript for an inline script; its hash stands in policy.ts. */
export const pageScript: string = `'use strict'
for (const table of document.querySelectorAll('table.sortable')) {
  const heads = [...table.tHead.rows[0].cells]
  const body = table.tBodies[0]
  const key = (row, index) => {
    const cell = row.cells[index]
    const text = cell.dataset.v ?? cell.textContent
    if (text === '\\u2013') return undefined
    return text === '' || Number.isNaN(Number(text)) ? text : Number(text)
  }
  const compare = (a, b) =>
    typeof a === 'number' && typeof b === 'number' ? a - b : String(a).localeCompare(String(b), 'en', { numeric: true })
  // What was not measured stays at the end in both directions.
  const order = (a, b, sign) => (a === undefined || b === undefined ? (a === undefined) - (b === undefined) : sign * compare(a, b))
  heads.forEach((head, index) => {
    const button = document.createElement('button')
    button.type = 'button'
    button.textContent = head.textContent
    head.replaceChildren(button)
    button.addEventListener('click', () => {
      const down = head.getAttribute('aria-sort') === 'ascending'
      for (const other of heads) other.removeAttribute('aria-sort')
      head.setAttribute('aria-sort', down ? 'descending' : 'ascending')
      const rows = [...body.rows].sort((a, b) => order(key(a, index), key(b, index), down ? -1 : 1))
      body.append(...rows)
    })
  })
}
for (const block of document.querySelectorAll('pre.copy')) {
  const button = document.createElement('button')
  button.type = 'button'
  button.textContent = 'Copy'
  button.addEventListener('click', async () => {
    const text = block.querySelector('code').textContent
    try {
      await navigator.clipboard.writeText(text)
      button.textContent = 'Copied'
    } catch {
      getSelection().selectAllChildren(block.querySelector('code'))
      button.textContent = 'Selected'
    }
    setTimeout(() => { button.textContent = 'Copy' }, 2000)
  })
  block.append(button)
}
`
