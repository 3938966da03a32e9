// The studio's page. It loads nothing but its own files and talks to nobody but its own server.
import { render } from 'preact'
import { chartStyle, themeStyle } from '../../src/report/index.ts'
import { takeToken } from './api.ts'
import { App } from './app.tsx'
import { begin } from './store.ts'
import './style.css'

// Colours and charts are styled by the report's own text: one look in both places.
const sheet = new CSSStyleSheet()
sheet.replaceSync(themeStyle + chartStyle)
document.adoptedStyleSheets = [sheet]

const token = takeToken()
const root = document.getElementById('studio')
if (root !== null) render(<App hasToken={token !== undefined} />, root)
if (token !== undefined) void begin()
