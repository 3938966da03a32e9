// The report of a quantisation on this machine.
import type { Report } from '../report/index.ts'
import { describeEnvironment } from '../runtime/index.node.ts'
import type { Runtime } from '../runtime/index.ts'
import type { QuantizeRun } from './quantize/run.ts'
import { reportOfQuantization } from './quantize-report.ts'

/** The whole report of a quantisation. */
export function quantizeReport(run: QuantizeRun, runtime: Runtime): Report {
  return reportOfQuantization(run, describeEnvironment(runtime))
}
