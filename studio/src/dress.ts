// Colours and charts are styled by the report's own text: one look in both places.
import { chartStyle, themeStyle } from '../../src/report/index.ts'
import './style.css'

/** Puts the style on the page. */
export function dress(): void {
  const sheet = new CSSStyleSheet()
  sheet.replaceSync(themeStyle + chartStyle)
  document.adoptedStyleSheets = [sheet]
}
