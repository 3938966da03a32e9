// The commands and their options. Each makes a recipe; what runs it is loaded only then, so that --help stays fast.
import type { Command } from 'commander'
import { Option } from 'commander'
import { UsageError } from '../base/index.ts'
import { addCompress } from './compress-command.ts'
import { addFinetune } from './finetune-command.ts'
import type { InspectFlags } from './inspect.ts'
import {
  addOutputOptions,
  addRunOptions,
  addSampleOptions,
  list,
  positive,
  recipeFields,
  shapeOption,
  whole,
} from './options.ts'
import type { ReportOptions } from './report.ts'
import type { RecipeFlags } from './session.ts'
import type { StudioFlags } from './studio.ts'

type Options = Readonly<Record<string, unknown>> & RecipeFlags & { readonly printRecipe?: boolean }

/** Adds all commands to the program. */
export function addCommands(program: Command): void {
  addInspect(program)
  addQuantize(program)
  addFinetune(program, start)
  addCompress(program, start)
  addRewrite(program)
  addEvaluate(program)
  addCompare(program)
  addRun(program)
  addReport(program)
  addStudio(program)
}

const metricHelp = 'top1, top5, next-token, or a module of your own (FILE.mjs)'

function addInspect(program: Command): void {
  const command = program
    .command('inspect')
    .description('show inputs, outputs and layers of a model, with cost and channel ranges')
    .argument('<model>', 'an .onnx file')
    .option('--shape <name:dims>', 'dims for an input with free ones, as x:1x3x224x224 (repeatable)', shapeOption)
  addOutputOptions(command).action(async (model: string, options: InspectFlags) => {
    const { inspectCommand } = await import('./inspect.ts')
    await inspectCommand(model, options)
  })
}

function addQuantize(program: Command): void {
  const command = program
    .command('quantize')
    .description('quantise a model to int8, measure what it costs, and write a report')
    .argument('<model>', 'an .onnx file')
    .option(
      '--data <path>',
      'samples (needed): image folder, JSON description, .npy, idx, .mjs module, "random" or "none"',
    )
    .option('--samples <n>', 'samples to calibrate on (default: 64; 128 with 4 bits, 384 with --tune bias)', positive)
    .option('--statistics <file>', 'instead of samples: statistics.json of an earlier run, for the same bytes again')
    .option('--val <path>', 'separate samples for scoring')
    .option('--metric <name>', metricHelp)
    .addOption(new Option('--weights <grid>', 'grid of the weights').choices(['per-channel', 'per-tensor']))
    .addOption(new Option('--weight-bits <n>', 'bits of the weights').choices(['8', '4']).argParser(Number))
    .addOption(
      new Option('--embeddings <bits>', 'tables whose rows are picked by index: a scale for each row, or float')
        .choices(['8', 'float'])
        .argParser((word) => (word === '8' ? 8 : word)),
    )
    .addOption(
      new Option('--activation-type <type>', 'type of the activations').choices(['uint8', 'int8', 'uint16', 'int16']),
    )
    .addOption(
      new Option('--range <method>', 'how activation ranges are chosen').choices([
        'minmax',
        'percentile',
        'entropy',
        'mse',
        'sqnr',
      ]),
    )
    .addOption(
      new Option('--mode <mode>', 'static: weights and activations; weights: a smaller file only').choices([
        'static',
        'weights',
      ]),
    )
    .addOption(
      new Option('--block <n>', 'with --mode weights --weight-bits 4: weights that share a scale (default: 32)')
        .choices(['16', '32', '64', '128'])
        .argParser(Number),
    )
    .addOption(
      new Option('--rounding <how>', 'the same: how codes are chosen (default: gptq where it is better)').choices([
        'plain',
        'gptq',
      ]),
    )
    .addOption(
      new Option('--accuracy-level <n>', 'the same: 4 rounds activations to 8 bits inside the kernel, 0 does not')
        .choices(['0', '4'])
        .argParser(Number),
    )
    .addOption(
      new Option(
        '--effort <effort>',
        'fast tries and measures nothing, high rounds by second order and scores all',
      ).choices(['fast', 'default', 'high']),
    )
    .addOption(
      new Option('--weight-storage <type>', 'what 4-bit codes are stored in: int8 keeps integer kernels').choices([
        'int8',
        'int4',
      ]),
    )
    .option('--keep-8bit <pattern>', 'with 4 bits: layers that keep 8; first, last, depthwise, none or patterns', list)
    .addOption(new Option('--tune <what>', 'a last rung: train the biases, without labels').choices(['bias']))
    .option('--techniques <names>', 'what to try: fold-dead-channels, equalize, correct-bias, …, or none', list)
    .addOption(new Option('--keep <rule>', 'keep a technique if-better, or always').choices(['if-better', 'always']))
    .addOption(
      new Option('--clip <form>', 'caps under equalisation: hold (nothing added), exact or auto').choices([
        'hold',
        'exact',
        'auto',
      ]),
    )
    .option('--exclude <pattern>', 'nodes that stay float: name, operator, glob or /regex/ (repeatable)', list)
    .option('--only <pattern>', 'only these nodes (repeatable)', list)
    .option('--target <name>', 'what the file must run on')
    .option('-o, --output <file>', 'the written model (default: <model>.int8.onnx)')
  addOutputOptions(addRunOptions(addSampleOptions(command))).action((model: string, options: Options) =>
    start({ command: 'quantize', model }, options),
  )
}

function addRewrite(program: Command): void {
  const command = program
    .command('rewrite')
    .description('rewrite a model into a better float form; every pass is checked')
    .argument('<model>', 'an .onnx file')
    .option('--passes <names>', 'passes, comma-separated (default: all that keep the function exactly)', list)
    .option('--data <path>', 'samples to check on (default: random)')
    .option('-o, --output <file>', 'the written model (default: <model>.float.onnx)')
    .option('--print-recipe', 'print the recipe and stop')
  addOutputOptions(addSampleOptions(command)).action((model: string, options: Options) =>
    start({ command: 'rewrite', model }, options),
  )
}

function addEvaluate(program: Command): void {
  const command = program
    .command('evaluate')
    .description('score a model on labelled samples')
    .argument('<model>', 'an .onnx file')
    .option('--data <path>', 'labelled samples (needed)')
    .option('--metric <name>', metricHelp)
    .option('--samples <n>', 'at most this many (default: all)', positive)
    .option('--print-recipe', 'print the recipe and stop')
  addOutputOptions(addSampleOptions(command)).action((model: string, options: Options) =>
    start({ command: 'evaluate', model }, options),
  )
}

function addCompare(program: Command): void {
  const command = program
    .command('compare')
    .description('compare two models with the same inputs and outputs')
    .argument('<model>', 'the first model')
    .argument('<other>', 'the second model')
    .option('--data <path>', 'samples, labelled or not (needed)')
    .option('--metric <name>', metricHelp)
    .option('--samples <n>', 'at most this many (default: all)', positive)
    .option('--print-recipe', 'print the recipe and stop')
  addOutputOptions(addSampleOptions(command)).action((model: string, other: string, options: Options) =>
    start({ command: 'compare', model, other }, options),
  )
}

function addRun(program: Command): void {
  const command = program
    .command('run')
    .description('run a recipe again')
    .argument('<recipe>', 'a recipe.json')
    .option('--run <dir>', 'run folder for recipe, events, report and model')
    .option('--no-report', 'write no report page')
  addOutputOptions(command).action(async (path: string, options: Options) => {
    const [{ parseRecipe }, { runRecipe }, { readRecipe }] = await Promise.all([
      import('../pipeline/index.ts'),
      import('./run-recipe.ts'),
      import('./read-recipe.ts'),
    ])
    await runRecipe(parseRecipe(await readRecipe(path), path), options)
  })
}

function addReport(program: Command): void {
  program
    .command('report')
    .description('render a finished run again: a summary, or a page with -o')
    .argument('<run>', 'a run folder, or its report.json')
    .option('-o, --output <file>', 'write a page: .html or .md')
    .option('--json', 'print one JSON object')
    .addOption(new Option('--debug', 'show the stack of an error'))
    .action(async (run: string, options: ReportOptions) => {
      const { reportCommand } = await import('./report.ts')
      await reportCommand(run, options)
    })
}

function addStudio(program: Command): void {
  program
    .command('studio')
    .description('open a page on this machine: look at models, build and watch runs, compare them')
    .argument(
      '[folder...]',
      'folders that the page may look into (default: the current one); new runs go into the first',
    )
    .option('--port <n>', 'port to listen on (default: any free one)', whole)
    .option('--no-open', 'do not open a browser')
    .addOption(new Option('--debug', 'show the stack of an error'))
    .action(async (folders: string[], options: StudioFlags) => {
      const { studioCommand } = await import('./studio.ts')
      await studioCommand(folders, options, program)
    })
}

async function start(fixed: Readonly<Record<string, unknown>>, options: Options): Promise<void> {
  const [{ parseRecipe }, { runRecipe }] = await Promise.all([
    import('../pipeline/index.ts'),
    import('./run-recipe.ts'),
  ])
  if (options['data'] === undefined && options['statistics'] === undefined && fixed['command'] !== 'rewrite')
    throw new UsageError(
      `${fixed['command']} needs samples: give --data PATH, or --data random to see that the model goes through`,
    )
  if (typeof options['target'] === 'string') (await import('../quantize/index.ts')).targetOf(options['target'])
  const recipe = parseRecipe({ ...recipeFields(options), ...fixed }, 'the command line')
  if (options.printRecipe) process.stdout.write(`${JSON.stringify(recipe, null, 2)}\n`)
  else await runRecipe(recipe, { ...options, ...(recipe.threads === undefined ? {} : { threads: recipe.threads }) })
}
