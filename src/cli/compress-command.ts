// The compress command and its options.
import type { Command } from 'commander'
import { Option } from 'commander'
import { addOutputOptions, addRunOptions, addSampleOptions, list, positive, ratios, share } from './options.ts'

/** Adds the command; `start` gets the model and the options. */
export function addCompress(
  program: Command,
  start: (fixed: Readonly<Record<string, unknown>>, options: Readonly<Record<string, unknown>>) => Promise<void>,
): void {
  const command = program
    .command('compress')
    .description('make a float model smaller and faster under a budget, measure what it costs, and write a report')
    .argument('<model>', 'an .onnx file')
    .option('--data <path>', 'samples (needed): image folder, JSON description, .npy, idx, .mjs module, or "random"')
    .option('--macs <ratios>', 'multiply-accumulates that may be left, as a share; several, comma-separated', ratios)
    .option('--bytes <ratios>', 'parameter bytes that may be left, as a share', ratios)
    .option('--latency <ratios>', 'time that may be left, as a share, measured on this machine', ratios)
    .option(
      '--max-drop <share>',
      'largest drop of the metric (0.01 is one point): the smallest model that keeps it',
      share,
    )
    .option('--manual <file>', 'a JSON file: layer → rank, share, "keep" or { split, rank } or { channels }')
    .option('--samples <n>', 'samples that the fits see (default: 384)', positive)
    .option('--val <path>', 'separate samples for scoring')
    .addOption(
      new Option('--method <method>', 'how layers are split').choices(['spatial-svd', 'weight-svd', 'prune', 'auto']),
    )
    .addOption(
      new Option('--order <order>', 'in which order channels are pruned (default: backward)').choices([
        'backward',
        'lasso',
        'energy',
        'magnitude',
      ]),
    )
    .addOption(new Option('--select <search>', 'how ratios are chosen').choices(['knapsack', 'greedy']))
    .addOption(
      new Option('--loss <loss>', 'what the search minimises: closed-form errors, or a measured loss').choices([
        'error',
        'kl',
        'metric',
      ]),
    )
    .option('--monotone', 'make measured losses rise with strength before choosing (isotonic regression)')
    .option('--multiple <n>', 'ranks are multiples of this (default: 1; with --latency the block of the CPU)', positive)
    .option('--layer-times', 'with --latency: time the layers one by one on this machine and choose by that')
    .option('--keep-layer <name>', 'a layer that stays exactly as it is (repeatable)', list)
    .option('--keep-dead', 'leave channels that never change where they are')
    .option('--plain', 'split by the weights alone, without data')
    .option('--force', 'write the model even when it no longer does its job')
    .option('--finetune <epochs>', 'train the result, with the original as teacher', positive)
    .addOption(new Option('--then <command>', 'what to do with the result').choices(['quantize']))
    .option('-o, --output <file>', 'the written model (default: <model>.macs50.onnx)')
  const folder = 'run folder for recipe, events, report, model and cache; a killed run goes on there'
  addOutputOptions(addRunOptions(addSampleOptions(command), folder)).action(
    (model: string, options: Readonly<Record<string, unknown>>) => start({ command: 'compress', model }, options),
  )
}
