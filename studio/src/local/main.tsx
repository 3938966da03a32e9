// The studio without a server: the same page, with a worker as its back end. Nothing leaves the tab.
import { render } from 'preact'
import { connectTo } from '../api.ts'
import { App } from '../app.tsx'
import { dress } from '../dress.ts'
import { begin } from '../store.ts'
import { besidePage } from './beside-page.ts'

dress()
connectTo(besidePage())
const root = document.getElementById('studio')
if (root !== null) render(<App hasToken />, root)
void begin()
