// Learning rate over time, as a factor of the first one.

/** Factor for optimiser step `step` (from 0) of `total`, in epoch `epoch` (from 0). */
export type Schedule = (step: number, total: number, epoch: number) => number

export const constant: Schedule = () => 1

/** Half a cosine down to `floor` (arXiv 1608.03983, without restarts). */
export function cosine(floor = 0): Schedule {
  return (step, total) => floor + ((1 - floor) * (1 + Math.cos((Math.PI * step) / Math.max(1, total)))) / 2
}

/** Times `factor` every `epochs` epochs. */
export function stepwise(factor = 0.1, epochs = 1): Schedule {
  return (_step, _total, epoch) => factor ** Math.floor(epoch / epochs)
}

/** Rises linearly over the first `steps` steps, then follows `schedule` over the rest. */
export function warmUp(steps: number, schedule: Schedule): Schedule {
  return (step, total, epoch) =>
    step < steps ? (step + 1) / steps : schedule(step - steps, Math.max(1, total - steps), epoch)
}
