// onnxpress inspect MODEL: loads what it needs only when it runs, so that --help stays fast.
import type { Inspection } from '../pipeline/index.ts'
import { aligned } from './table.ts'

export interface InspectFlags {
  readonly json?: boolean
  /** Dims of inputs with free ones. */
  readonly shape?: Readonly<Record<string, readonly number[]>>
}

/** Runs the command and prints a table, or one JSON object. */
export async function inspectCommand(path: string, options: InspectFlags): Promise<void> {
  const [{ readModelFile }, { openRuntime }, { inspect }, { formatBytes }, { stat }] = await Promise.all([
    import('../onnx/index.node.ts'),
    import('../runtime/index.node.ts'),
    import('../pipeline/index.ts'),
    import('../report/index.ts'),
    import('node:fs/promises'),
  ])
  const model = await readModelFile(path)
  const { size: sizeBytes } = await stat(path)
  const runtime = await openRuntime()
  try {
    const inspection = await inspect(model, runtime, options.shape)
    const text = options.json
      ? JSON.stringify({ ...inspection, sizeBytes })
      : table(path, inspection, sizeBytes, formatBytes)
    process.stdout.write(`${text}\n`)
  } finally {
    await runtime.close()
  }
}

function table(
  path: string,
  inspection: Inspection,
  sizeBytes: number,
  formatBytes: (bytes: number) => string,
): string {
  const values = (list: Inspection['inputs']) =>
    list
      .map((value) => `${value.name} ${value.dtype ?? '?'}[${value.shape?.map((dim) => dim ?? '?') ?? '…'}]`)
      .join(', ')
  const rows = inspection.layers.map((layer) => [
    layer.name,
    layer.op,
    layer.macs === undefined ? '-' : String(layer.macs),
    String(layer.parameters),
    layer.rangeSpread === undefined ? '-' : layer.rangeSpread.toFixed(1),
    layer.reason ?? '',
  ])
  const parts = inspection.parts.map(({ part, layers, parameters, bytes }) => [
    part,
    String(layers),
    String(parameters),
    formatBytes(bytes),
  ])
  return [
    `${path}: ${sizeBytes} bytes, opset ${inspection.opset}, IR ${inspection.irVersion}, ${inspection.parameters} parameters${inspection.macs === undefined ? '' : `, ${inspection.macs} MACs`}`,
    `inputs   ${values(inspection.inputs)}`,
    `outputs  ${values(inspection.outputs)}`,
    '',
    ...(parts.length > 0 ? [...aligned(['part', 'readers', 'parameters', 'size'], parts), ''] : []),
    ...aligned(['layer', 'op', 'MACs', 'parameters', 'range spread', ''], rows),
    ...inspection.notes.map((note) => `note: ${note}`),
  ].join('\n')
}
