import { spawn } from 'node:child_process'
import { once } from 'node:events'
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join, relative } from 'node:path'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { admissionRooms, bedRooms, pureRooms, rooms } from '../oxlint.config.ts'

/**
 * A rule that catches nothing looks just like one that finds nothing. So: plant every violation that our lint rules are
 * there for, and one file in order for each, and look at what the linter says.
 */

const repository = fileURLToPath(new URL('..', import.meta.url))

/** DESIGN §8: these speak to the outside world, and none may know another. */
const adapters = ['http', 'webhook', 'controllers', 'stores', 'cluster', 'livekit', 'delivery']

const places = [
  ...Object.keys(rooms).filter((room) => room !== 'admission'),
  ...admissionRooms.map((room) => `admission/${room}`),
]

interface Plant {
  /** Path below the planted project. */
  readonly file: string
  readonly source: string
  /** Rule that must report it; undefined for a file that is in order. */
  readonly rule: string | undefined
}

function importing(into: string, from: string, rule: string | undefined): Plant {
  const path = relative(into, from)
  const name = from.replaceAll(/[/.]/g, '-')
  return {
    file: `${into}/uses-${name}.ts`,
    source: `import { thing } from '${path.startsWith('.') ? path : `./${path}`}'\nexport const made = thing\n`,
    rule,
  }
}

/** True where the plan of the house lets one place import the other. */
function isAllowed(into: string, from: string): boolean {
  const [room, inner] = into.split('/') as [keyof typeof rooms, string | undefined]
  const [other = '', otherInner] = from.split('/')
  if (room === 'admission' && other === 'admission') {
    const order: readonly (string | undefined)[] = admissionRooms
    return order.indexOf(otherInner) > order.indexOf(inner)
  }
  const allowed: readonly string[] | 'all' = rooms[room]
  return allowed === 'all' || allowed.includes(other)
}

/** The bed's rooms, the program that composes them, and the tests. */
const composer = 'bed'
const bedPlants: Plant[] = bedRooms.flatMap((into, index) => [
  ...bedRooms
    .filter((room) => room !== into)
    .map((room, position) =>
      importing(
        `bed/${into}`,
        `bed/${room}/there.ts`,
        position >= index ? undefined : 'no-restricted-imports',
      ),
    ),
  importing(`bed/${into}`, `bed/${composer}.ts`, index === 0 ? undefined : 'no-restricted-imports'),
  importing(`bed/${into}`, 'test/support/there.ts', 'no-restricted-imports'),
  importing(`bed/${into}`, 'src/domain/there.ts', undefined),
  { file: `bed/${into}/there.ts`, source: 'export const thing = 1\n', rule: undefined },
])

const plants: Plant[] = [
  ...bedPlants,
  importing('bed', 'test/support/there.ts', 'no-restricted-imports'),
  importing('bed', 'bed/servers/there.ts', undefined),
  ...places.flatMap((into) =>
    places
      .filter((from) => from !== into)
      .map((from) =>
        importing(
          `src/${into}`,
          `src/${from}/there.ts`,
          isAllowed(into, from) ? undefined : 'no-restricted-imports',
        ),
      ),
  ),
  ...places.map((place) => importing(`src/${place}`, 'src/main.ts', 'no-restricted-imports')),
  ...['domain', ...admissionRooms.map((room) => `admission/${room}`)].flatMap((folder): Plant[] => [
    ...['node:fs', 'node:crypto', 'fs', 'ioredis', 'pg', 'pino'].map((name) => ({
      file: `src/${folder}/imports-${name.replace(':', '-')}.ts`,
      source: `import * as thing from '${name}'\nexport const made = thing\n`,
      rule: 'no-restricted-imports',
    })),
    {
      file: `src/${folder}/reads-the-clock.ts`,
      source: 'export const now = () => Date.now()\n',
      rule: 'no-restricted-properties',
    },
    {
      file: `src/${folder}/rolls-dice.ts`,
      source: 'export const roll = () => Math.random()\n',
      rule: 'no-restricted-properties',
    },
    {
      file: `src/${folder}/waits.ts`,
      source: 'export const wait = (run: () => void) => setTimeout(run, 1)\n',
      rule: 'no-restricted-globals',
    },
  ]),
  {
    file: 'src/sessions/reads-env.ts',
    source: 'export const level = process.env.LEVEL\n',
    rule: 'no-process-env',
  },
  {
    file: 'src/http/default-export.ts',
    source: 'export default function app(): void {}\n',
    rule: 'no-default-export',
  },
  { file: 'src/http/prints.ts', source: "console.log('here')\n", rule: 'no-console' },
  { file: 'src/http/badName.ts', source: 'export const one = 1\n', rule: 'filename-case' },
  { file: 'src/http/any.ts', source: 'export const loose: any = 1\n', rule: 'no-explicit-any' },
  {
    file: 'src/sessions/cycle-a.ts',
    source: "import { b } from './cycle-b.ts'\nexport const a = (): unknown => b\n",
    rule: 'no-cycle',
  },
  {
    file: 'src/sessions/cycle-b.ts',
    source: "import { a } from './cycle-a.ts'\nexport const b = (): unknown => a\n",
    rule: 'no-cycle',
  },
  {
    file: 'src/controllers/forgets-to-wait.ts',
    source: 'export function run(go: () => Promise<void>): void {\n  go()\n}\n',
    rule: 'no-floating-promises',
  },
  // In order: what the rules must not forbid.
  { file: 'src/config.ts', source: 'export const level = process.env.LEVEL\n', rule: undefined },
  {
    file: 'src/cli/prints.ts',
    source: "import { there } from '../stores/there.ts'\nconsole.log(there)\n",
    rule: undefined,
  },
  ...places.map((place) => ({
    file: `src/${place}/there.ts`,
    source: 'export const there = 1\nexport const thing = 2\n',
    rule: undefined,
  })),
]

interface Diagnostic {
  readonly code: string
  readonly filename: string
}

async function lint(folder: string): Promise<Diagnostic[]> {
  const oxlint = join(repository, 'node_modules/oxlint/bin/oxlint')
  // tap puts hooks for coverage into the NODE_OPTIONS of every child, and oxlint's launcher does not load with them.
  const command = [
    '-u',
    'NODE_OPTIONS',
    process.execPath,
    oxlint,
    '--type-aware',
    '--format=json',
    'src',
    'bed',
  ]
  const child = spawn('env', command, { cwd: folder })
  const [output, problems] = await Promise.all([text(child.stdout), text(child.stderr), once(child, 'close')])
  if (!output.startsWith('{')) throw new Error(`oxlint said: ${output}${problems}`)
  return JSON.parse(output).diagnostics
}

void t.test('the linter reports every planted violation and nothing else', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'greenroom-lint-'))
  t.teardown(() => rmSync(folder, { recursive: true }))
  for (const name of ['oxlint.config.ts', 'tsconfig.json', 'package.json']) {
    copyFileSync(join(repository, name), join(folder, name))
  }
  symlinkSync(join(repository, 'node_modules'), join(folder, 'node_modules'))
  for (const { file, source } of plants) {
    mkdirSync(dirname(join(folder, file)), { recursive: true })
    writeFileSync(join(folder, file), source)
  }

  const found = await lint(folder)
  for (const { file, rule } of plants) {
    const rules = found.filter(({ filename }) => filename === file).map(({ code }) => code)
    if (rule === undefined) t.strictSame(rules, [], `${file} is in order`)
    else
      t.ok(
        rules.some((code) => code.includes(`(${rule})`)),
        `${file}: ${rule} (found: ${rules.join(', ') || 'nothing'})`,
      )
  }
})

void t.test('the plan of the house keeps what DESIGN §8 asks of it', async (t) => {
  for (const adapter of adapters) {
    for (const other of adapters.filter((name) => name !== adapter))
      t.notOk(isAllowed(adapter, other), `${adapter} may not import ${other}`)
    for (const pure of pureRooms) t.notOk(isAllowed(pure, adapter), `${pure} may not import ${adapter}`)
    t.notOk(isAllowed('sessions', adapter), `sessions may not import ${adapter}`)
    t.ok(isAllowed(adapter, 'domain'), `${adapter} may import domain`)
  }
  const folders = readdirSync(join(repository, 'src'), { withFileTypes: true }).filter((entry) =>
    entry.isDirectory(),
  )
  const known = Object.keys(rooms)
  for (const { name } of folders) t.ok(known.includes(name), `src/${name} has its line in oxlint.config.ts`)
  const inner = readdirSync(join(repository, 'src/admission'))
  t.strictSame(
    inner.toSorted(),
    [...admissionRooms].toSorted(),
    'src/admission holds its rooms and nothing else',
  )
})

/** The rows of the map in CONTRIBUTING.md: room → what it may import. */
function roomsOnTheMap(page: string): Readonly<Record<string, readonly string[] | 'all'>> {
  const rows = page.matchAll(/^\| `([a-z]+)` \| [^|]+ \| ([^|]+) \|$/gm)
  return Object.fromEntries(
    [...rows].map(([, room = '', imports = '']) => {
      if (imports === 'all') return [room, 'all']
      return [room, imports === '–' ? [] : imports.split(', ')]
    }),
  )
}

void t.test('the map in CONTRIBUTING.md says what the linter holds', async (t) => {
  const page = readFileSync(join(repository, 'CONTRIBUTING.md'), 'utf8')
  t.strictSame(roomsOnTheMap(page), rooms)
  t.match(page, admissionRooms.map((room) => `\`${room}\``).join(' → '))
  // NAME stands for what a newcomer adds.
  const files = [...page.matchAll(/`((?:src|test|docs)\/[\w/-]+\.(?:ts|md))`/g)].map(([, file = '']) => file)
  for (const file of files.filter((name) => !name.includes('NAME')))
    t.ok(existsSync(join(repository, file)), `${file} is there`)
})

void t.test('no two files of src have one name', async (t) => {
  const files = readdirSync(join(repository, 'src'), { withFileTypes: true, recursive: true })
  const names = files.filter((entry) => entry.isFile()).map(({ name }) => name)
  t.strictSame(
    names.filter((name, at) => names.indexOf(name) !== at),
    [],
  )
})
