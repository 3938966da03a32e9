// The process behind `commandLine`: runs the built command line each time that it is asked to, and sends what it said.
import { main } from '../../dist/bundle/main.js'

process.on('message', async (args) => {
  const said = { stdout: '', stderr: '' }
  for (const name of ['stdout', 'stderr'])
    process[name].write = (text, ...more) => {
      said[name] += text
      more.findLast((each) => typeof each === 'function')?.()
      return true
    }
  const status = await main(args, '0')
  process.send({ status, ...said })
})
