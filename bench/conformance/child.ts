// A process that runs backend tests one after the other: what one of them brings down is this process alone.
import { openRuntime } from '../../src/runtime/index.node.ts'
import { testCase, type Variant } from './material.ts'
import { type Row, runCase } from './run-case.ts'

/** What the parent asks for; the answer is the rows, in order. */
export interface Question {
  readonly folder: string
  readonly name: string
  readonly variant: Variant
  readonly effort: 'fast' | 'default'
}

const runtime = await openRuntime({ threads: 1 })

process.on('message', async ({ folder, name, variant, effort }: Question) => {
  const asked = testCase(folder, name, variant)
  const rows: Row[] = asked ? await runCase(runtime, asked, effort) : []
  process.send?.(rows)
})
process.on('disconnect', () => runtime.close())
