// What decides how long a layer takes on this machine.
import { cpus } from 'node:os'
import { cpuFlags } from '../../runtime/index.node.ts'

/** The machine, as timings are kept under. */
export function machineName(): string {
  return `${cpus()[0]?.model ?? 'unknown CPU'} ${cpuFlags().join(' ')}`
}

/** Channels that the convolutions of ONNX Runtime work on at a time on this machine. */
export function channelBlock(): number {
  const flags = cpuFlags()
  return flags.includes('avx512f') ? 16 : 8
}
