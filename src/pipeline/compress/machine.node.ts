// What decides how long a layer takes on this machine.
import { cpus } from 'node:os'
import { cpuFlags } from '../../runtime/index.node.ts'
import type { Machine } from './problem.ts'

/** The machine that this runs on: convolutions of ONNX Runtime work on 16 channels at a time with AVX-512, else on 8. */
export function thisMachine(): Machine {
  const flags = cpuFlags()
  return {
    name: `${cpus()[0]?.model ?? 'unknown CPU'} ${flags.join(' ')}`,
    block: flags.includes('avx512f') ? 16 : 8,
  }
}
