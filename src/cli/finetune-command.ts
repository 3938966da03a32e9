// The finetune command and its options.
import type { Command } from 'commander'
import { InvalidArgumentError, Option } from 'commander'
import { addOutputOptions, addRunOptions, addSampleOptions, list, positive } from './options.ts'

function number(text: string): number {
  const value = Number(text)
  if (!(value >= 0)) throw new InvalidArgumentError('it must be a number from 0.')
  return value
}

function count(text: string): number {
  const value = Number(text)
  if (!Number.isInteger(value) || value < 0) throw new InvalidArgumentError('it must be a whole number from 0.')
  return value
}

/** Adds the command; `start` gets the model and the options. */
export function addFinetune(
  program: Command,
  start: (fixed: Readonly<Record<string, unknown>>, options: Readonly<Record<string, unknown>>) => Promise<void>,
): void {
  const command = program
    .command('finetune')
    .description('train a model: all weights or biases alone, float or with quantised weights and activations')
    .argument('<model>', 'an .onnx file')
    .option('--data <path>', 'samples to train on (needed), labelled or not')
    .option('--val <path>', 'separate samples for the score before and after')
    .option('--samples <n>', 'at most this many, evenly spaced (default: all)', positive)
    .option('--epochs <n>', 'passes over the samples (default: 3, more of a small set)', positive)
    .option('--batch <n>', 'samples a step (default: 32)', positive)
    .option('--lr <x>', "learning rate of the weights (default: a share of each tensor's size)", number)
    .addOption(new Option('--optimizer <name>').choices(['adam', 'adamw', 'muon', 'sgd', 'momentum', 'nesterov']))
    .addOption(new Option('--schedule <name>', 'of the learning rate').choices(['cosine', 'constant', 'step']))
    .option('--warm-up <steps>', 'steps with a rising learning rate (default: a twentieth)', count)
    .option('--decay <x>', 'weight decay', number)
    .option('--clip-norm <x>', 'longest gradient; longer ones are scaled down', number)
    .addOption(
      new Option('--loss <name>', 'default: cross-entropy with labels, else distill').choices([
        'cross-entropy',
        'distill',
        'mse',
      ]),
    )
    .option('--loss-graph <file>', 'an ONNX file with a loss of your own')
    .option('--match <value>', 'inner tensor kept near the teacher\'s, or "auto" (repeatable)', list)
    .option('--match-weight <x>', 'weight of inner tensors in the loss (default: 1)', number)
    .option('--teacher <file>', 'float model to learn from (default: the model before training)')
    .option('--alpha <share>', "share of the labels' loss beside a teacher (default: 0.5)", number)
    .option('--temperature <x>', 'softens the distillation (default: 4 with --teacher, else 1)', number)
    .option('--smoothing <share>', 'of the labels', number)
    .addOption(new Option('--train <what>', 'what is trained').choices(['biases', 'weights', 'all', 'last']))
    .option('--only <pattern>', 'only these nodes (repeatable)', list)
    .addOption(new Option('--batch-norm <mode>', 'frozen or training').choices(['frozen', 'training']))
    .option('--from-scratch', 'forget the weights: train from random ones')
    .option('--flip', 'mirror pictures at random')
    .option('--shift <pixels>', 'move pictures at random, up to so many pixels', count)
    .option('--mix', 'blend samples with each other; for losses without labels')
    .option('--hold-back <n>', 'samples that choose the best epoch (default: a tenth, 200 to 1000, else none)', count)
    .option('--patience <epochs>', 'stop after so many without a better score', positive)
    .option('--memory <MB>', 'memory that may be used (default: what is free)', positive)
    .option('--qat', 'train with quantised weights and activations; the result is a Q/DQ file')
    .addOption(new Option('--weights <grid>', 'grid of the weights').choices(['per-channel', 'per-tensor']))
    .option('--weight-bits <n>', '2 to 8 (default: 8)', positive)
    .addOption(new Option('--activation-bits <n>').choices(['4', '8', '16']).argParser(Number))
    .addOption(new Option('--weight-storage <type>', 'int4: half the file, float kernels').choices(['int8', 'int4']))
    .option('--keep-8bit <pattern>', 'layers that keep 8 bits: first, last, depthwise, or nodes (repeatable)', list)
    .option('--target <name>', 'what the quantised file must run on')
    .option('--exclude <pattern>', 'nodes that stay float (repeatable)', list)
    .option('--calibration-samples <n>', 'samples for the first ranges (default: 64)', positive)
    .option('--resume', 'go on from the checkpoint beside the output')
    .option('-o, --output <file>', 'the written model (default: <model>.tuned.onnx, <model>.int8.onnx)')
  addOutputOptions(addRunOptions(addSampleOptions(command))).action(
    (model: string, options: Readonly<Record<string, unknown>>) => {
      const { keep8Bit, ...rest } = options
      return start({ command: 'finetune', model, ...(keep8Bit === undefined ? {} : { keep8bit: keep8Bit }) }, rest)
    },
  )
}
