// The machine, as a report names it: figures mean nothing without CPU, flags, versions and threads.
import { readFileSync } from 'node:fs'
import { availableParallelism, cpus, platform, release } from 'node:os'
import type { Runtime } from './session.ts'

const telling = ['avx2', 'avx512f', 'avx512_vnni', 'avx_vnni', 'amx_int8', 'asimddp', 'i8mm']

/** Label → value for the report. */
export function describeEnvironment(runtime: Runtime): Record<string, string> {
  return {
    CPU: cpus()[0]?.model ?? 'unknown',
    'CPU flags': cpuFlags().join(' ') || 'unknown',
    cores: String(availableParallelism()),
    threads: String(runtime.threads),
    system: `${platform()} ${release()}`,
    'Node.js': process.version,
    [runtime.name]: runtime.version,
  }
}

/** Flags that decide how fast integer kernels are; empty where the system does not tell. */
export function cpuFlags(): string[] {
  try {
    const flags = new Set(
      /^(?:flags|Features)\s*:\s*(.*)$/m.exec(readFileSync('/proc/cpuinfo', 'utf8'))?.[1]?.split(' '),
    )
    return telling.filter((flag) => flags.has(flag))
  } catch {
    return []
  }
}

/** Do this processor's byte products saturate? So it is on x64 without VNNI: ONNX Runtime adds two of them in 16 bits. */
export function saturates(flags: readonly string[] = cpuFlags(), architecture: string = process.arch): boolean {
  return architecture === 'x64' && flags.length > 0 && !flags.some((flag) => /vnni|amx/.test(flag))
}
