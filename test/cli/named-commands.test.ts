import { globSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { root } from '../../bed/repository.ts'
import { agentCommands } from '../../src/cli/agent-commands.ts'
import type { Commands } from '../../src/cli/command.ts'
import type { CommandNode } from '../../src/cli/line/command-spec.ts'
import { operatorCommands } from '../../src/cli/operator-commands.ts'
import { ownCommands } from '../../src/cli/own-commands.ts'
import { serverCommands } from '../../src/cli/server-commands.ts'

/** Whoever reads a command in a message, a document or a manifest types it: every one of them exists. */

const commands: Commands = { ...serverCommands, ...operatorCommands, ...agentCommands, ...ownCommands }
const { scripts } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as {
  scripts: Record<string, string>
}

const files = globSync(
  [
    'src/**/*.{ts,sql,lua,html}',
    'docs/**/*.md',
    'manifests/**/*.{yaml,json,md,tpl,txt,env}',
    'examples/**/*.{md,py,ts,js,yaml}',
    'scripts/**/*',
    'bed/**/*.ts',
    '*.md',
    'webhook-certs/*',
    'Dockerfile',
  ],
  { cwd: root, exclude: (path) => /node_modules|\.venv/.test(path) },
).filter((path) => /\.\w+$|Dockerfile$/.test(path))

interface Named {
  readonly at: string
  readonly words: readonly string[]
}

/** Behind one of these stands a command; in prose the product is written with a capital letter. */
const begins = String.raw`(?:^\s*|[\`"'$|(#:,]\s*|npx |kubectl |or |with )`
const called = new RegExp(`${begins}greenroom ((?:[a-z][a-z-]+)(?: [a-z][a-z|-]+)*)`, 'gm')
const byNpm = /npm run (?:-s )?greenroom -- ([a-z][a-z-]+(?: [a-z][a-z|-]+)*)/g
const byMain = /node (?:--\S+ )*(?:\/app\/)?src\/main\.ts ([a-z][a-z-]+(?: [a-z][a-z|-]+)*)/g
const npmScript = /npm run (?:-s )?([a-z][a-z:0-9-]*)/g

const texts = files.map((path) => ({ path, text: readFileSync(join(root, path), 'utf8') }))

function found(pattern: RegExp): Named[] {
  return texts.flatMap(({ path, text }) =>
    [...text.matchAll(pattern)].map((match) => ({
      at: `${path}:${text.slice(0, match.index).split('\n').length}`,
      words: (match[1] ?? '').split(' '),
    })),
  )
}

void t.test('every command that is named exists, with its action', async (t) => {
  const named = [...found(called), ...found(byNpm)].filter(({ words }) => !isName(words.join(' ')))
  t.ok(named.length > 100, `${named.length} were found`)
  for (const { at, words } of named) t.ok(await exists(words), `${at}: greenroom ${words.join(' ')}`)
})

void t.test('so does every role and command of the image', async (t) => {
  const roles = ['api', 'controller', 'webhook', 'migrate', 'agent', 'compile-cache']
  const named = found(byMain)
  t.ok(named.length > 5)
  for (const { at, words } of named)
    t.ok(roles.includes(words[0] ?? '') || (await exists(words)), `${at}: ${words.join(' ')}`)
})

void t.test('and every script of package.json', (t) => {
  for (const { at, words } of found(npmScript))
    t.ok(Object.hasOwn(scripts, words[0] ?? ''), `${at}: npm run ${words[0]}`)
  t.end()
})

/** Names inside of certificates, signatures and statements, which nobody types. */
function isName(text: string): boolean {
  return /^(webhook( without)?|grants|browser token|session token|installation)$/.test(text)
}

async function exists([name = '', ...rest]: readonly string[]): Promise<boolean> {
  const command = Object.hasOwn(commands, name) ? commands[name] : undefined
  if (!command) return false
  const program = await command.load()
  return program.kind === undefined || hasActions(program, rest)
}

/** Whatever follows a command that takes arguments may be one; `undo|pause` names two actions. */
function hasActions(node: CommandNode, [word, ...rest]: readonly string[]): boolean {
  if (node.kind === 'action' || word === undefined) return true
  return word
    .split('|')
    .every((name) => Object.hasOwn(node.actions, name) && hasActions(node.actions[name] as CommandNode, rest))
}
