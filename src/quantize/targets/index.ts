// The targets by name. A new one is a file beside this and a line here.
import { UsageError } from '../../base/index.ts'
import { openvino } from './openvino.ts'
import { ortCpu } from './ort-cpu.ts'
import { ortWasm } from './ort-wasm.ts'
import { ortWebgpu } from './ort-webgpu.ts'
import { qnn } from './qnn.ts'
import type { Target } from './target.ts'
import { tensorrt } from './tensorrt.ts'

/** All targets; the first is the one that a recipe without a target means. */
export const targets: readonly [Target, ...Target[]] = [ortCpu, ortWasm, ortWebgpu, openvino, qnn, tensorrt]

/** @throws UsageError for a name that no target has */
export function targetOf(name: string): Target {
  const target = targets.find((each) => each.name === name)
  if (target) return target
  throw new UsageError(`there is no target "${name}", expected one of ${targets.map((each) => each.name).join(', ')}`)
}
