// The commands. Those that run a recipe get their options from its description; what runs them is loaded only then.
import type { Command } from 'commander'
import { Option } from 'commander'
import { UsageError } from '../base/index.ts'
import type { CommandName, RecipeField } from '../recipe/index.ts'
import type { InspectFlags } from './inspect.ts'
import { addOutputOptions, addRunOptions, shapeOption, whole } from './options.ts'
import type { ReportOptions } from './report.ts'
import type { RecipeFlags } from './session.ts'
import type { StudioFlags } from './studio.ts'

type Options = Readonly<Record<string, unknown>> & RecipeFlags & { readonly printRecipe?: boolean }

/** Command → what it does. Options are not loaded before they are needed: `--help` stays fast. */
const summaries: Readonly<Record<CommandName, string>> = {
  quantize: 'quantise a model to int8, measure what it costs, and write a report',
  analyze: 'rank layers by what they lose in integers, with a cause and a remedy for each',
  finetune: 'train a model: all weights or biases alone, float or with quantised weights and activations',
  compress: 'make a float model smaller and faster under a budget, measure what it costs, and write a report',
  variants: 'write every form of a model that transformers.js loads, each opened and compared in every runtime',
  rewrite: 'rewrite a model into a better float form; every pass is checked',
  evaluate: 'score a model on labelled samples',
  compare: 'compare two models with the same inputs and outputs',
  verify: 'repeat the proof of a model on this machine, and fail where its figures do not hold',
  check: 'compare a new model with the one before it, and fail where it breaks a limit',
}

const runFolder = 'run folder for recipe, events, report and model'

/** Commands that write a report, and what their run folder holds. */
const withReport: Partial<Record<CommandName, string>> = {
  quantize: runFolder,
  finetune: runFolder,
  compress: 'run folder for recipe, events, report, model and cache; a killed run goes on there',
  analyze: 'run folder for recipe, events and report',
}

/** Adds all commands to the program; those that `args` name with their options, which takes a moment to load. */
export async function addCommands(program: Command, args: readonly string[]): Promise<void> {
  program.configureHelp({ subcommandTerm: (command) => command.name() })
  addInspect(program)
  for (const [name, summary] of Object.entries(summaries) as [CommandName, string][]) {
    const command = program.command(name).description(summary)
    if (args.includes(name)) await addRecipeCommand(command, name)
  }
  addRun(program)
  addReport(program)
  addStudio(program)
}

async function addRecipeCommand(command: Command, name: CommandName): Promise<void> {
  const [{ addFields }, { recipeFields }] = await Promise.all([import('./fields.ts'), import('../recipe/index.ts')])
  const fields = recipeFields(name)
  addFields(command, fields)
  const folder = withReport[name]
  if (folder !== undefined) addRunOptions(command, folder)
  command.option('--print-recipe', 'print the recipe and stop')
  const files = fields.filter(({ schema }) => schema.argument)
  addOutputOptions(command).action(() => {
    const options = command.opts<Options>()
    const given = { ...options, ...Object.fromEntries(files.map(({ name }, index) => [name, command.args[index]])) }
    return start(name, fields, given)
  })
}

/** Makes a recipe of what was given, and prints or runs it. */
async function start(name: CommandName, fields: readonly RecipeField[], given: Options): Promise<void> {
  const needsData = fields.some((field) => field.name === 'data' && field.needed)
  const known = given['statistics'] !== undefined || given['encodingsFrom'] !== undefined
  if (needsData && given['data'] === undefined && !known)
    throw new UsageError(`${name} needs samples: give --data PATH, or --data random to see that the model goes through`)
  const [{ parseRecipe }, { runRecipe }] = await Promise.all([import('../recipe/index.ts'), import('./run-recipe.ts')])
  const said = fields.filter((field) => given[field.name] !== undefined)
  const recipe = parseRecipe(name, Object.fromEntries(said.map((field) => [field.name, given[field.name]])))
  if (given.printRecipe) process.stdout.write(`${JSON.stringify(recipe, null, 2)}\n`)
  else await runRecipe(recipe, given)
}

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

function addRun(program: Command): void {
  const command = program.command('run').description('run a recipe again').argument('<recipe>', 'a recipe.json')
  addOutputOptions(addRunOptions(command, runFolder)).action(async (path: string, options: Options) => {
    const [{ parseAnyRecipe }, { runRecipe }, { readRecipe }] = await Promise.all([
      import('../pipeline/index.ts'),
      import('./run-recipe.ts'),
      import('./read-recipe.ts'),
    ])
    const recipe = parseAnyRecipe(await readRecipe(path), path)
    await runRecipe(recipe, recipe.threads === undefined ? options : { ...options, threads: recipe.threads })
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
      await studioCommand(folders, options, program.version() ?? '')
    })
}
