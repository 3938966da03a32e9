// ONNX Runtime's load errors, turned into one sentence with file, node and operator.
import { type OnnxpressError, RuntimeFailure, UnsupportedError } from '../base/index.ts'
import { allNodes, type Model, nodeName } from '../onnx/index.ts'
import { tidy } from './messages-of-runtime.ts'
import type { SessionOptions } from './session.ts'

/** Domains whose operators the standard build of ONNX Runtime has. */
const knownDomains = new Set([
  '',
  'ai.onnx',
  'ai.onnx.ml',
  'com.microsoft',
  'com.microsoft.nchwc',
  'com.ms.internal.nhwc',
  'ai.onnx.preview.training',
])

/** Explains why a model did not load: the file, or what was made of it for a step. */
export function loadError(
  message: string,
  model: Model | undefined,
  { label = 'the model', derived }: SessionOptions,
): OnnxpressError {
  const functions = functionNames(model)
  for (const node of model ? allNodes(model.graph) : []) {
    if (knownDomains.has(node.domain) || functions.has(`${node.domain}:${node.opType}`)) continue
    return new UnsupportedError(
      `cannot run ${label}: node "${nodeName(node)}" is a ${node.opType} of domain ${node.domain}, a custom operator that ONNX Runtime does not have; cut the model before or after it`,
      { node: nodeName(node), op: node.opType, file: label },
    )
  }
  if (derived !== undefined)
    return new RuntimeFailure(
      `ONNX Runtime does not load ${label} as onnxpress changed it for ${derived}: ${tidy(message)}; the file itself is not at fault, please report this`,
      { file: label },
    )
  return new UnsupportedError(`ONNX Runtime cannot load ${label}: ${tidy(message)}`, { file: label })
}

function functionNames(model: Model | undefined): Set<string> {
  const raw = model?.raw as { functions?: { domain: string; name: string }[] } | undefined
  return new Set((raw?.functions ?? []).map((entry) => `${entry.domain}:${entry.name}`))
}
