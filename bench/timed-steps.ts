// Steps of training, timed one by one by the clock and by the processor: what benches of training graphs share.
import type { TensorValue } from '../src/base/index.ts'
import type { Runtime, Values } from '../src/runtime/index.ts'
import { adam, FEEDS, type TrainableModel, withTrainingSession } from '../src/train/index.ts'

/** Milliseconds of a step by the clock, and of all threads of the process together. */
export interface Step {
  readonly ms: number
  readonly cpuMs: number
}

/** Opens a training graph and hands out a function that takes so many steps of Adam, at a rate that hardly moves the weights. */
export async function withTimedSteps(
  runtime: Runtime,
  { graph, initial }: Pick<TrainableModel, 'graph' | 'initial'>,
  inputs: Values,
  labels: BigInt64Array,
  work: (steps: (count: number) => Promise<Step[]>) => Promise<void>,
): Promise<void> {
  const values = new Map([...initial].map(([name, array]) => [name, array.slice()]))
  const moments = new Map(
    [...initial].map(([name, array]) => [name, [new Float32Array(array.length), new Float32Array(array.length)]]),
  )
  const optimizer = adam()
  const rows = labels.length
  let step = 0
  await withTrainingSession(runtime, graph, (session) =>
    work(async (count) => {
      const steps: Step[] = []
      for (let i = 0; i < count; i++) {
        const [started, used] = [performance.now(), process.cpuUsage()]
        const results = await session.run({
          ...inputs,
          [FEEDS.labels]: { dtype: 'int64', dims: [rows], data: labels },
          [FEEDS.rowWeight]: { dtype: 'float32', dims: [rows], data: new Float32Array(rows).fill(1) },
          ...Object.fromEntries(
            graph.parameters.map(({ name, dims }): [string, TensorValue] => [
              name,
              { dtype: 'float32', dims, data: values.get(name)! },
            ]),
          ),
        })
        for (const { name, gradient } of graph.parameters)
          optimizer.update(values.get(name)!, results[gradient]!.data as Float32Array, moments.get(name)!, {
            rate: 1e-6,
            decay: 0,
            step: ++step,
          })
        const { user, system } = process.cpuUsage(used)
        steps.push({ ms: performance.now() - started, cpuMs: (user + system) / 1000 })
      }
      return steps
    }),
  )
}
