// A deep comparison in words.
import { formatDb, formatPlural } from '../../report/index.ts'
import { type DeepCause, type DeepLayer, type DeepRun, differing, saturatesBadly } from './run.ts'

const causes: Readonly<Record<DeepCause, string>> = {
  saturation:
    'sums of two products saturate in 16 bits, as on every x64 without VNNI: store the weights as uint8 (--repair FILE), or run with session.x64quantprecision = 1',
  'rounded-input':
    'products with blocks of few bits round what they read to 8 bits (accuracy_level 4): store them with level 1 (--repair FILE), or, where they are plain ONNX, run with session.qdq_matmulnbits_accuracy_level = 1',
  kernel: 'the kernel computes in another way: keep the layer in float (--exclude), or run without graph optimisation',
}

/** What there is to say, a line each: the runtimes, what differs and why, what would on other processors, what was repaired. */
export function deepLines(run: DeepRun): string[] {
  const { layers, runtimes, outputs, samples, repaired } = run
  if (layers.length === 0) return ['deep: no layer of the second model computes with integers']
  const different = differing(run)
  const elsewhere = layers.filter((layer) => !different.includes(layer) && saturatesBadly(layer))
  const names = Object.keys(runtimes)
  const told =
    different.length === 0 ? 'none differs' : `${different.length} ${different.length === 1 ? 'differs' : 'differ'}`
  return [
    `deep: ${formatPlural(layers.length, 'piece')} in ${formatPlural(names.length, 'runtime')} on ${formatPlural(samples, 'sample')}; ${told} from the simulation by more than a rounding tie`,
    ...names.map((name) => {
      const each = Object.entries(outputs[name] ?? {}).map(([output, db]) => `${output} ${formatDb(db)}`)
      return `  ${name}: ${each.join(', ')}`
    }),
    ...(Object.keys(causes) as DeepCause[]).flatMap((cause) => {
      const own = different.filter((layer) => layer.cause === cause)
      return own.length === 0
        ? []
        : [`  ${causes[cause]}`, ...shown(own.toSorted((a, b) => farthest(b) - farthest(a)).map(layerLine))]
    }),
    ...(elsewhere.length > 0
      ? [`  alike here, and not on x64 without VNNI: ${causes.saturation}`, ...shown(elsewhere.map(predictedLine))]
      : []),
    ...(repaired ? [`  ${repairedLine(repaired)}`] : []),
  ]
}

/** Lines of a cause at most; `--json` has all. */
const SHOWN = 10

function shown(lines: readonly string[]): string[] {
  const rest = lines.length - SHOWN
  return [...lines.slice(0, SHOWN), ...(rest > 0 ? [`and ${rest} more`] : [])].map((line) => `    ${line}`)
}

/** Largest difference in any runtime, in steps; that of floats as the root of their share of noise. */
function farthest({ runtimes }: DeepLayer): number {
  return Math.max(...Object.values(runtimes).map(({ steps, sqnrDb }) => steps || 10 ** (-(sqnrDb ?? 200) / 20)))
}

function layerLine({ op, name, runtimes }: DeepLayer): string {
  const where = Object.entries(runtimes).filter(([, { differs }]) => differs)
  const far = where.map(([runtime, { steps, sqnrDb }]) =>
    steps > 0 ? `${formatPlural(steps, 'step')} in ${runtime}` : `${formatDb(sqnrDb)} in ${runtime}`,
  )
  return `${op} ${name}: ${far.join(', ')}`
}

function predictedLine({ op, name, saturation }: DeepLayer): string {
  return `${op} ${name}${saturation?.steps === undefined ? '' : `: up to ${formatPlural(Math.ceil(saturation.steps), 'step')}`}`
}

function repairedLine({ output, layers, still }: NonNullable<DeepRun['repaired']>): string {
  const rest = still.length > 0 ? `still different: ${still.join(', ')}` : 'none of it differs any more'
  return `repaired ${formatPlural(layers.length, 'layer')} in ${output}; ${rest}`
}
