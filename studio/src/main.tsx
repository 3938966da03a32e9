// The studio's page. It loads nothing but its own files and talks to nobody but its own server.
import { render } from 'preact'
import { connectTo } from './api.ts'
import { App } from './app.tsx'
import { dress } from './dress.ts'
import { server, takeToken } from './server.ts'
import { begin } from './store.ts'

dress()
connectTo(server)
const token = takeToken()
const root = document.getElementById('studio')
if (root !== null) render(<App hasToken={token !== undefined} />, root)
if (token !== undefined) void begin()
