// What measures the latency of a target on this machine.
import { targetOf } from '../quantize/index.ts'
import { openWebProcess, profileKernels } from '../runtime/index.node.ts'
import type { Runtime } from '../runtime/index.ts'
import type { Clock } from './quantize/clock.ts'

/**
 * Hands over the runtime of the target: the one that computes, or onnxruntime-web in a process of its own for as long as `work` takes.
 * Where neither is the target's, the one that computes: `name` tells. Nothing where no runtime of this toolkit is the target's.
 */
export async function withClock<T>(
  runtime: Runtime,
  target: string,
  work: (clock: Clock | undefined) => Promise<T>,
): Promise<T> {
  const wanted = targetOf(target).runtime
  if (wanted === undefined) return work(undefined)
  if (wanted === runtime.name) return work(clockOf(runtime))
  const web = openWebProcess()
  if (web?.name !== wanted) return work(clockOf(runtime))
  try {
    return await work(clockOf(web))
  } finally {
    await web.close()
  }
}

function clockOf(runtime: Runtime): Clock {
  return {
    runtime,
    profile: (model, feeds, rounds) =>
      profileKernels(runtime, model, feeds, { warmups: 2, rounds, label: 'a timed model' }),
  }
}
