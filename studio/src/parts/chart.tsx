// A chart of the report's own, drawn into the page. The text is escaped by whoever made it.

export function Chart({ svg }: { readonly svg: string }) {
  return <div class="drawn" dangerouslySetInnerHTML={{ __html: svg }} />
}
