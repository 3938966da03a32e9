// What docs/extending.md adds – a technique, a rewrite, a range method, a target, a gradient – is added to a copy of the sources and run.
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join, resolve } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { pathToFileURL } from 'node:url'

interface Block {
  readonly kind: string
  readonly text: string
}

/** What builds the tests: JavaScript starts in a fraction of the time that reading the sources one by one takes. */
const { bundle } = (await import(pathToFileURL(resolve('scripts/test-bundle.mjs')).href)) as {
  bundle: (folder: string, programs: readonly string[], root: string) => Promise<string[]>
}

/** The fenced blocks of a page, by section. */
function sectionsOf(page: string): Map<string, readonly Block[]> {
  const sections = page.split(/^## /m).slice(1)
  return new Map(
    sections.map((section) => [
      section.slice(0, section.indexOf('\n')),
      [...section.matchAll(/^```(\S+(?: check)?)\n(.*?)^```$/gms)].map(([, kind = '', text = '']) => ({ kind, text })),
    ]),
  )
}

/** Applies hunks "// file", then lines that are there (" "), go ("-") or come ("+"). */
function applyDiff(root: string, diff: string): void {
  for (const hunk of diff.split(/^\/\/ /m).slice(1)) {
    const [file = '', ...steps] = hunk.trimEnd().split('\n')
    const lines = readFileSync(join(root, file), 'utf8').split('\n')
    let at = 0
    for (const step of steps) {
      const text = step.slice(1)
      if (step.startsWith('+')) {
        lines.splice(at++, 0, text)
        continue
      }
      const found = lines.indexOf(text)
      assert.ok(found >= 0, `${file} has no line "${text}"`)
      if (step.startsWith('-')) lines.splice(found, 1)
      at = step.startsWith('-') ? found : found + 1
    }
    writeFileSync(join(root, file), lines.join('\n'))
  }
}

describe('docs/extending.md', () => {
  const root = mkdtempSync(join(tmpdir(), 'onnxpress-extending-'))
  const sections = sectionsOf(readFileSync('docs/extending.md', 'utf8'))
  const extended = [...sections].filter(([, blocks]) => blocks.some(({ kind }) => kind === 'diff'))

  /** What each section came to: lines elsewhere, what its check prints, and the program of the check. */
  const added = new Map<
    string,
    { readonly elsewhere: number; readonly expected: string | undefined; program: string }
  >()

  before(async () => {
    for (const part of ['src', 'test/support', 'package.json', 'tsconfig.json'])
      cpSync(part, join(root, part), { recursive: true })
    symlinkSync(resolve('node_modules'), join(root, 'node_modules'), 'junction')
    mkdirSync(join(root, 'checks'))
    writeFileSync(join(root, 'checks/support.ts'), "export * from '../test/support/extending-checks.ts'")
    for (const [name, blocks] of extended) added.set(name, add(name, blocks))
    // All of them are there together, and built once.
    const checks = [...added.values()]
    const programs = await bundle(
      join(root, 'programs'),
      checks.map(({ program }) => program),
      root,
    )
    for (const [at, check] of checks.entries()) check.program = programs[at] ?? ''
  })
  after(() => rmSync(root, { recursive: true }))

  it('shows one of each kind', () => {
    assert.deepEqual(
      extended.map(([name]) => name),
      ['Add a technique', 'Add a rewrite', 'Add a range method', 'Add a target', 'Add a gradient'],
    )
  })

  /** Adds what a section adds to the copy. */
  function add(name: string, blocks: readonly Block[]) {
    let elsewhere = 0
    for (const { kind, text } of blocks) {
      const file = /^\/\/ (\S+)\n/.exec(text)?.[1]
      if (kind === 'ts' && file) {
        mkdirSync(dirname(join(root, file)), { recursive: true })
        writeFileSync(join(root, file), text)
      } else if (kind === 'diff') {
        applyDiff(root, text)
        elsewhere += text.split('\n').filter((line) => line.startsWith('+') && !line.startsWith('+import')).length
      }
    }
    const check = blocks.find(({ kind }) => kind === 'ts check')?.text ?? ''
    const expected = /console\.log\(.*\) \/\/ (.*)$/m.exec(check)?.[1]
    const program = join(root, 'checks', `${name.replaceAll(' ', '-')}.ts`)
    writeFileSync(program, check)
    return { elsewhere, expected, program }
  }

  for (const [name] of extended)
    it(`${name}: a file, at most two lines elsewhere beside imports, and it works`, () => {
      const { elsewhere = 0, expected, program = '' } = added.get(name) ?? {}
      assert.ok(elsewhere >= 1 && elsewhere <= 2, `${elsewhere} lines elsewhere`)
      assert.ok(expected, 'the check says what it prints')
      const printed = execFileSync(process.execPath, [program], { cwd: root, encoding: 'utf8' })
      assert.equal(printed.trim(), expected)
    })
})
