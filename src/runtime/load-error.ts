// ONNX Runtime's load errors, turned into one sentence with file, node and operator.
import { type OnnxpressError, UnsupportedError } from '../base/index.ts'
import { allNodes, type Model, nodeName } from '../onnx/index.ts'

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

/** Explains why a model did not load. */
export function loadError(message: string, model: Model | undefined, label: string): OnnxpressError {
  const functions = functionNames(model)
  for (const node of model ? allNodes(model.graph) : []) {
    if (knownDomains.has(node.domain) || functions.has(`${node.domain}:${node.opType}`)) continue
    return new UnsupportedError(
      `cannot run ${label}: node "${nodeName(node)}" is a ${node.opType} of domain ${node.domain}, a custom operator that ONNX Runtime does not have; cut the model before or after it`,
      { node: nodeName(node), op: node.opType, file: label },
    )
  }
  return new UnsupportedError(`ONNX Runtime cannot load ${label}: ${tidy(message)}`, { file: label })
}

function functionNames(model: Model | undefined): Set<string> {
  const raw = model?.raw as { functions?: { domain: string; name: string }[] } | undefined
  return new Set((raw?.functions ?? []).map((entry) => `${entry.domain}:${entry.name}`))
}

/** One line without the runtime's source positions. */
export function tidy(message: string): string {
  return message
    .replace(/\s+/g, ' ')
    .replace(/\/\S*\.(cc|h):\d+\s*/g, '')
    .replace(/^Error: /, '')
    .trim()
    .slice(0, 400)
}
