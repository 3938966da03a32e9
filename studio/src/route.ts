// Pages by the part of the address after #, so that the back button works and the server sees none of it.
import { useEffect, useState } from 'preact/hooks'

export interface Route {
  readonly page: string
  readonly words: readonly string[]
  readonly query: URLSearchParams
}

function read(): Route {
  const [path = '', query = ''] = location.hash.replace(/^#\/?/, '').split('?')
  const [page = '', ...words] = path.split('/').map(decodeURIComponent)
  return { page, words, query: new URLSearchParams(query) }
}

/** The current route, kept fresh. */
export function useRoute(): Route {
  const [route, show] = useState(read)
  useEffect(() => {
    const onChange = (): void => {
      show(read())
      scrollTo(0, 0)
      document.querySelector<HTMLElement>('main')?.focus()
    }
    addEventListener('hashchange', onChange)
    return () => removeEventListener('hashchange', onChange)
  }, [])
  return route
}

/** The address of a page. */
export function linkTo(
  page: string,
  words: readonly string[] = [],
  query: Readonly<Record<string, string>> = {},
): string {
  const search = new URLSearchParams(query).toString()
  return `#/${[page, ...words].map(encodeURIComponent).join('/')}${search === '' ? '' : `?${search}`}`
}

export function go(address: string): void {
  location.hash = address
}
