import { spawnSync } from 'node:child_process'
import { globSync, readFileSync } from 'node:fs'
import { mkdir, symlink, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { transform } from 'esbuild'
import t, { type Test } from 'tap'
import { temporaryFolder } from '../../bed/processes/temporary-folder.ts'
import { root } from '../../bed/repository.ts'
import { codeBlocks } from '../support/code-blocks.ts'

/** The npm package as others get it: packed, installed into an empty project, type-checked and run. */

t.setTimeout(300_000)

const folder = await temporaryFolder('package')
t.teardown(() => folder.remove())
const dist = join(folder.path, 'dist')
const project = join(folder.path, 'project')

function run(
  program: string,
  args: readonly string[],
  cwd = project,
  env: Readonly<Record<string, string>> = {},
) {
  // The test runner adds its loaders to every process that it sees; these are not its own.
  const wanted = ['-u', 'NODE_OPTIONS', program, ...args]
  const result = spawnSync('/usr/bin/env', wanted, { cwd, encoding: 'utf8', env: { ...process.env, ...env } })
  if (result.error) throw result.error
  return { code: result.status, output: `${result.stdout}${result.stderr}`, stdout: result.stdout }
}

function succeeds(t: Test, { code, output }: { code: number | null; output: string }, what: string): void {
  if (!t.equal(code, 0, what)) t.comment(output)
}

const built = run(process.execPath, ['scripts/build-package.ts', '--out', dist], root)
succeeds(t, built, 'it is built')
const packed = run('npm', ['pack', '--json', '--pack-destination', folder.path], dist)
succeeds(t, packed, 'it is packed')
// npm 12 answers an object by package name, older ones a list.
const [pack] = Object.values(JSON.parse(packed.stdout) as Record<string, Pack>)
if (!pack) throw new Error(packed.output)

interface Pack {
  readonly filename: string
  readonly size: number
  readonly unpackedSize: number
  readonly files: readonly { readonly path: string }[]
}

void t.test('it holds what it says and nothing else, and is small', async (t) => {
  const expected =
    /^(package\.json|README\.md|LICENSE|(agent|chunks|cli|client)\/[\w-]+\.js|types\/.+\.d\.ts)$/
  t.same(
    pack.files.map(({ path }) => path).filter((path) => !expected.test(path)),
    [],
  )
  t.comment(`${pack.size} bytes packed, ${pack.unpackedSize} unpacked, ${pack.files.length} files`)
  t.ok(pack.size < 160_000, 'packed below 160 kB')
  const text = globSync('**/*.{js,ts,json}', { cwd: dist }).map((path) =>
    readFileSync(join(dist, path), 'utf8'),
  )
  t.notMatch(text.join('\n'), root, 'no path of the machine that built it')
})

void t.test('the caller SDK is at most 10 kB in a browser', async (t) => {
  const client = readFileSync(join(dist, 'client/client.js'), 'utf8')
  const { code } = await transform(client, { minify: true, format: 'esm', target: 'es2022' })
  t.comment(`${Buffer.byteLength(code)} bytes minified`)
  t.ok(Buffer.byteLength(code) <= 10 * 1024)
  t.notMatch(
    client,
    /\bfrom "|\bimport\(|\bprocess\.|\bBuffer\b/,
    'it imports nothing and needs nothing of Node',
  )
})

void t.test('everything that it brings has a permissive licence', async (t) => {
  const { dependencies } = JSON.parse(readFileSync(join(dist, 'package.json'), 'utf8')) as PackageJson
  const lock = JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8')) as Lock
  t.same(
    Object.keys(dependencies ?? {}).sort(),
    ['croner', 'csv-parse', 'prom-client', 'typebox', 'yaml'],
    'nothing of the server',
  )
  const brought = new Set(Object.keys(dependencies ?? {}))
  for (const name of brought)
    for (const further of Object.keys(lock.packages[`node_modules/${name}`]?.dependencies ?? {}))
      brought.add(further)
  const licences = [...brought].map((name) => `${name} ${lock.packages[`node_modules/${name}`]?.license}`)
  t.comment(licences.join(', '))
  t.same(
    licences.filter((line) => !/ (MIT|Apache-2\.0|ISC|BSD-[23]-Clause|0BSD)$/.test(line)),
    [],
  )
})

interface PackageJson {
  readonly dependencies?: Readonly<Record<string, string>>
}
interface Lock {
  readonly packages: Readonly<Record<string, PackageJson & { readonly license?: string }>>
}

void t.test('installed into an empty project', async (t) => {
  await mkdir(project)
  await writeFile(join(project, 'package.json'), '{"private":true,"type":"module"}')
  const tarball = join(folder.path, pack.filename)
  const installed = run('npm', ['install', '--prefer-offline', '--no-audit', '--no-fund', tarball])
  succeeds(t, installed, 'it is installed')

  await t.test('the declarations are complete, without Node for callers', async (t) => {
    t.equal(await typeCheck('caller', caller, { types: [], lib: ['esnext', 'dom'] }), '')
  })
  await t.test('the declarations are complete for agents', async (t) => {
    await linkTypes('@types/node')
    await linkTypes('undici-types')
    t.equal(await typeCheck('agent', agent, { types: ['node'], lib: ['esnext'] }), '')
  })
  await t.test('a wrong use is refused', async (t) => {
    const wrong = agent.replace("finish('done')", 'finish(1)')
    t.match(await typeCheck('wrong', wrong, { types: ['node'], lib: ['esnext'] }), /error TS2345/)
  })
  await t.test('the program of the package checks the agent of its README', async (t) => {
    const [code = ''] = codeBlocks(
      readFileSync(join(project, 'node_modules/greenroom/README.md'), 'utf8'),
      'js',
    )
    t.match(code, /greenroom\/agent/)
    await keepsTheContract(t, 'agent.js', code)
  })
  await t.test('and the ten lines of docs/quickstart-agent.md', async (t) => {
    const [code = ''] = codeBlocks(readFileSync(join(root, 'docs/quickstart-agent.md'), 'utf8'), 'js')
    t.match(code, /greenroom\/agent\/room/)
    await keepsTheContract(t, 'quickstart.mjs', code)
  })
  await t.test('where LiveKit is installed, the declarations of the room are complete', async (t) => {
    await linkTypes('@livekit')
    // LiveKit's own declarations do not pass the check of libraries.
    const options = { types: ['node'], lib: ['esnext', 'dom'], skipLibCheck: true }
    t.equal(await typeCheck('room', room, options), '')
  })
})

async function keepsTheContract(t: Test, name: string, code: string): Promise<void> {
  await writeFile(join(project, name), code)
  const program = join(project, 'node_modules/.bin/greenroom')
  const path = `${dirname(process.execPath)}:${process.env.PATH}`
  const args = ['agent-check', '--', process.execPath, name]
  const checked = run(program, args, project, { PATH: path })
  succeeds(t, checked, 'it keeps the contract')
  t.ok(/\n\d\d passed, 0 failed/.test(checked.output), 'every rule was tried')
}

/** What the compiler says; every file that is reached is checked, declarations too. */
async function typeCheck(name: string, code: string, options: object): Promise<string> {
  await writeFile(join(project, `${name}.ts`), code)
  const compilerOptions = {
    strict: true,
    module: 'nodenext',
    noEmit: true,
    target: 'esnext',
    skipLibCheck: false,
  }
  await writeFile(
    join(project, `${name}.json`),
    JSON.stringify({ compilerOptions: { ...compilerOptions, ...options }, files: [`${name}.ts`] }),
  )
  const tsc = join(root, 'node_modules/typescript/bin/tsc')
  return run(process.execPath, [tsc, '-p', `${name}.json`]).output
}

async function linkTypes(name: string): Promise<void> {
  const link = join(project, 'node_modules', name)
  await mkdir(dirname(link), { recursive: true })
  await symlink(join(root, 'node_modules', name), link)
}

const caller = `
import { createClient, GreenroomApiError, type SessionView } from 'greenroom/client'
const client = createClient({ url: 'http://127.0.0.1:3000', apiKey: 'key' })
const page = await client.sessions.list()
const first: SessionView | undefined = page.sessions[0]
await using session = await client.open({ agentType: 'echo-agent' })
export const seen = [first?.id, session.id, new Error() instanceof GreenroomApiError]
`

const agent = `
import { type AgentSession, serve } from 'greenroom/agent'
await serve({
  onAssign(agent: AgentSession): void {
    const id: string = agent.session.id
    const key: string | undefined = agent.secrets.KEY
    agent.log('info', 'serving', { id, hasKey: key !== undefined })
    agent.signal.addEventListener('abort', () => undefined)
    void agent.finish('done')
  },
  routes: {
    'POST /sessions/:id/hello': ({ params, body }) => ({ status: 200, json: { id: params.id, bytes: body.length } }),
  },
})
`

const room = `
import { serve } from 'greenroom/agent'
import { joinRoom, warmRoom } from 'greenroom/agent/room'
await serve({
  onReady: warmRoom,
  onAssign(agent) {
    joinRoom(agent, { setUp: (room) => void room.on('dataReceived', (bytes: Uint8Array) => bytes.length) })
  },
})
`
