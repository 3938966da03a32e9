// What can be known here of a file for a target: its kernels where its runtime is at hand, else what the file says.
import type { Model } from '../../onnx/index.ts'
import { type LayerKernel, placedKernels, type Target } from '../../quantize/index.ts'
import type { Runtime } from '../../runtime/index.ts'
import type { QuantizeHost } from './host.ts'
import type { Produced } from './mode.ts'

/** A model, and its file. */
interface WrittenModel {
  readonly model: Model
  readonly bytes: Uint8Array | undefined
}

/** What runs each layer; where no runtime of this toolkit is the target's, layers between Q and DQ count as integer. */
export async function kernelsIn(
  { model, bytes }: WrittenModel,
  { plan }: Produced,
  target: Target,
  { lint }: Pick<QuantizeHost, 'lint'>,
): Promise<readonly LayerKernel[] | undefined> {
  return target.runtime === undefined
    ? placedKernels(model, target, plan?.placement.layers ?? new Set())
    : lint?.(model, bytes)
}

/**
 * Says where figures come from, when it is not the target's runtime.
 * @param elsewhere the runtime whose times or kernels the report shows, where it is another one
 */
export function whereMeasured(target: Target, runtime: Runtime, elsewhere: string | undefined): string[] {
  if (target.runtime === undefined)
    return [
      `accuracy is that of ${runtime.name}'s simulation of the file, and nothing was timed: no runtime of ${target.name} is here; how fast it is shows ${target.measuredWith}`,
    ]
  return elsewhere === undefined
    ? []
    : [
        `times and kernels are those of ${elsewhere} on this machine, not of ${target.name}: measure where the file will run`,
      ]
}
