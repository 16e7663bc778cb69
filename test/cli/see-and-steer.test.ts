import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { stripVTControlCharacters as plain } from 'node:util'
import t, { type Test } from 'tap'
import { parse } from 'yaml'
import { until } from '../../bed/processes/until.ts'
import { root } from '../../bed/repository.ts'
import type { PoolReport } from '../../src/domain/pool-report.ts'
import type { StatusReport } from '../../src/domain/status-report.ts'
import { GreenroomError } from '../../src/errors.ts'
import { apiKey, knownId, newSession, unknownId } from '../http/api-bed.ts'
import { startEventApi } from '../http/event-bed.ts'
import { startDatabase } from '../stores/store-servers.ts'
import { runProgram } from '../support/run-program.ts'

/** The commands that ask the session server, as people and programs call them. */

t.setTimeout(240_000)
const program = 'src/cli/greenroom.ts'

const pool = (agentType: string, more: Partial<PoolReport> = {}): PoolReport => ({
  agentType,
  desired: { min: 2, max: 9 },
  ready: 2,
  warming: 0,
  claimed: 1,
  draining: 0,
  failed: 0,
  waiting: 0,
  hitRate: 0.98765,
  boundBy: undefined,
  message: undefined,
  problem: undefined,
  sizing: undefined,
  quotaPods: undefined,
  yielded: undefined,
  thin: undefined,
  configuration: { seen: '1', applied: '1', problems: undefined },
  ...more,
})
let pools = [pool('echo-agent'), pool('empty-agent', { ready: 0 })]
let openRefusal: GreenroomError | undefined
const status: StatusReport = {
  at: '2026-01-01T00:00:00.000Z',
  state: 'attention',
  parts: [
    { part: 'redis', state: 'down', detail: 'Redis did not answer.', since: '2026-01-01T00:00:00.000Z' },
  ],
  problems: [
    {
      code: 'GRN_REDIS_UNAVAILABLE',
      subject: 'Redis',
      what: 'It does not answer.',
      cause: 'The connection was refused.',
      command: 'greenroom doctor',
    },
  ],
  totals: { pools: 2, idle: 2 },
} as StatusReport
const auditEntry = {
  id: '0198c0de-0000-7000-8000-0000000000aa',
  at: 0,
  by: { kind: 'api-key', id: 'k1' },
  projectId: undefined,
  action: 'session.end',
  subject: knownId,
} as const
const webhook = {
  id: knownId,
  url: 'https://shop.example/',
  projectId: 'shop',
  types: undefined,
  position: 7,
  disabledFor: undefined,
  failures: 0,
  failingSince: undefined,
  lastError: undefined,
  createdAt: 0,
}

const api = await startEventApi(t, await startDatabase(t), {
  readPools: {
    all: async () => pools,
    one: async (agentType: string) => pools.find((one) => one.agentType === agentType),
  },
  readStatus: async () => status,
  auditLog: { list: async () => [auditEntry] },
  eventWebhooks: {
    create: async () => webhook,
    list: async () => [webhook],
    get: async (id: string) => (id === webhook.id ? webhook : undefined),
    change: async () => webhook,
    remove: async (id: string) => id === webhook.id,
  },
  openBatch: {
    openAll: async (requests: readonly object[]) =>
      requests.map((_, nth) => ({
        session: newSession({ id: `0198c0de-0000-7000-8000-00000000000${nth}` }),
        replayed: false,
        stagesMs: {},
      })),
  },
  openSession: async () => {
    if (openRefusal) throw openRefusal
    throw new GreenroomError('GRN_UNKNOWN_AGENT_TYPE')
  },
} as unknown as Parameters<typeof startEventApi>[2])
const env = { GREENROOM_API_URL: api.url, GREENROOM_API_KEY: apiKey, HOME: '/nowhere' }
const run = (...args: string[]) => runProgram(program, args, { env })

void t.test('forms: table, wide, json, yaml, name, jsonpath', async (t) => {
  const template = `{range .pools[?(@.ready==0)]}{.agentType}{"\\t"}{.desired.max}{"\\n"}{end}`
  const [table, wide, json, yaml, name, path, wrong] = await Promise.all([
    run('pools'),
    run('pools', 'list', '-o', 'wide'),
    run('pools', 'get', 'pool/echo-agent', '-o', 'json'),
    run('pools', 'get', 'echo-agent', '-o=yaml'),
    run('pools', '-o', 'name'),
    run('pools', '-o', `jsonpath=${template}`),
    run('pools', '-o', 'xml'),
  ])
  t.match(table, { code: 0, stderr: '' })
  t.match(table.stdout, /^POOL +READY +WARMING .*\necho-agent +2 +0 +1 +0 +2 +9 +98\.8% +- +-\nempty-agent/)
  t.match(wide.stdout, /DRAINING +FAILED/)
  t.match(JSON.parse(json.stdout), { agentType: 'echo-agent', ready: 2 })
  t.match(parse(yaml.stdout), { agentType: 'echo-agent', ready: 2 })
  t.equal(name.stdout, 'pool/echo-agent\npool/empty-agent\n')
  t.equal(path.stdout, 'empty-agent\t9\n\n')
  t.match(wrong, { code: 2, stdout: '', stderr: /-o is one of table, wide, / })
})

void t.test('every exit code', async (t) => {
  const exits = async (code: number, args: string[], stderr: RegExp) =>
    t.match(await run(...args), { code, stderr }, args.join(' '))
  await Promise.all([
    exits(1, ['status'], /^$/),
    exits(2, ['pools', '--nothing'], /^GRN_WRONG_ARGUMENTS/),
    exits(3, ['pools', 'get', 'nobody'], /^GRN_UNKNOWN_AGENT_TYPE/),
    exits(3, ['sessions', 'get', unknownId], /^GRN_SESSION_NOT_FOUND/),
    exits(5, ['pools', '--key', 'of-nobody-at-all'], /^GRN_UNAUTHENTICATED/),
    exits(6, ['pools', '--server', 'http://127.0.0.1:9'], /^GRN_CLIENT_UNREACHABLE/),
  ])
  for (const [code, refusal] of [
    [4, new GreenroomError('GRN_POOL_EMPTY')],
    [5, new GreenroomError('GRN_PROJECT_LIMIT')],
    [6, new GreenroomError('GRN_DATABASE_UNAVAILABLE')],
  ] as const) {
    openRefusal = refusal
    await exits(code, ['sessions', 'open', 'echo-agent'], new RegExp(`^${refusal.code}: `))
  }
})

void t.test('several sessions at once', async (t) => {
  const [names, table, wrong, held] = await Promise.all([
    run('sessions', 'open', 'echo-agent', '--count', '3', '-o', 'name'),
    run('sessions', 'open', 'echo-agent', '--count', '2'),
    run('sessions', 'open', 'echo-agent', '--count', '51'),
    run('sessions', 'open', 'echo-agent', '--count', '2', '--hold'),
  ])
  t.match(names.stdout, /^(session\/0198c0de-\S+\n){3}$/)
  t.match(table.stdout, /^ID +STATUS .*(\n0198c0de-\S+ +ACTIVE .*){2}\n$/)
  t.match(wrong, { code: 2, stderr: /--count 51 is not a whole number from 1 to 50/ })
  t.match(held, { code: 2, stderr: /--hold/ })
})

void t.test('status says what to type; top is printed once where there is no terminal', async (t) => {
  const [plain, path, top] = await Promise.all([
    run('status'),
    run('status', '-o', 'jsonpath={.problems[*].command}'),
    run('top'),
  ])
  t.match(
    plain.stdout,
    /^Something needs attention \(1\): 2 pools, 2 idle\nPART +STATE +FOR +DETAIL\nredis +down/,
  )
  t.match(
    plain.stdout,
    /\nRedis: It does not answer\. GRN_REDIS_UNAVAILABLE\n {2}The connection was refused\.\n {2}greenroom doctor\n$/,
  )
  t.notMatch(plain.stdout, '\u001b', 'no colours in a pipe')
  t.equal(path.stdout, 'greenroom doctor\n')
  t.match(top, { code: 0, stdout: /^ATTENTION, .*\nredis is down: [^]*\nPOOL +READY/ })
  t.notMatch(top.stdout, '\u001b')
})

void t.test('sessions are followed to their end, audit and webhooks are read', async (t) => {
  const id = await api.open({ projectId: 'shop' })
  const following = run('sessions', 'follow', `session/${id}`)
  await until('a listener', async () => (await api.listeners()) > 0, 60_000)
  await api.end(id)
  const [followed, got, json, audit, list, removed, changed] = await Promise.all([
    following,
    run('sessions', 'get', knownId, '-o', 'jsonpath={.status}'),
    run('sessions', 'follow', id, '--json'),
    run('audit', '--limit', '5'),
    run('webhooks'),
    run('webhooks', 'delete', knownId),
    run('webhooks', 'change', knownId),
  ])
  t.equal(followed.code, 0, followed.stderr)
  t.match(followed.stdout, /^\S+Z {2}session\.pending .*\n[^]*session\.ended .*endReason=ended:caller/)
  t.equal(got.stdout, 'ACTIVE\n')
  t.same(
    json.stdout
      .trim()
      .split('\n')
      .map((line) => (JSON.parse(line) as { type: string }).type),
    ['session.pending', 'session.active', 'session.ending', 'session.ended'],
  )
  t.match(audit.stdout, /^AT +BY +ACTION +SUBJECT +PROJECT\n1970\S+ +k1 +session\.end/)
  t.match(list.stdout, /https:\/\/shop\.example\/ +shop +active/)
  t.match(removed, { code: 0, stdout: `deleted ${knownId}\n` })
  t.match(changed, { code: 2, stderr: /change needs/ })
})

void t.test('a server of another version gets one line of warning', async (t) => {
  for (const [headers, told] of [
    [{ 'greenroom-version': '9.9.9' }, /^Warning: the server has version 9\.9\.9; .*\n$/],
    [{}, /^Warning: the server tells no version, so it is older; .*\n$/],
  ] as const) {
    const server = createServer((_request, response) =>
      response.writeHead(200, { 'content-type': 'application/json', ...headers }).end('{"pools":[]}'),
    ).listen(0, '127.0.0.1')
    await once(server, 'listening')
    const { port } = server.address() as AddressInfo
    const { code, stderr } = await run('pools', '-o', 'json', '--server', `http://127.0.0.1:${port}`)
    server.close()
    t.match({ code, stderr }, { code: 0, stderr: told })
  }
})

void t.test('a kubeconfig that is broken is one sentence', async (t) => {
  const folder = t.testdir({
    broken: 'a: [',
    elsewhere: JSON.stringify({
      'current-context': 'a',
      contexts: [{ name: 'a', context: { cluster: 'a' } }],
      clusters: [{ name: 'a', cluster: { server: 'https://127.0.0.1:9' } }],
    }),
  })
  const withKubeconfig = (name: string, ...args: string[]) =>
    runProgram(program, ['pools', '--kubeconfig', `${folder}/${name}`, ...args], {
      env: { GREENROOM_API_KEY: apiKey },
    })
  const [broken, absent, context, away] = await Promise.all([
    withKubeconfig('broken'),
    withKubeconfig('absent'),
    withKubeconfig('elsewhere', '--context', 'of-nobody'),
    withKubeconfig('elsewhere'),
  ])
  t.match(broken, { code: 2, stderr: /^GRN_INVALID_CONFIG: the kubeconfig .*broken is not YAML: .*\n$/ })
  t.match(absent, { code: 2, stderr: /^GRN_INVALID_CONFIG: the kubeconfig .*absent cannot be read.*\n$/ })
  t.match(context, { code: 2, stderr: /has no context of-nobody.*\n$/ })
  t.match(away, { code: 6, stderr: /^GRN_KUBERNETES_UNAVAILABLE: .*\n$/ })
})

void t.test('a closed pipe ends quietly with 0', async (t) => {
  const script = `'${process.execPath}' ${program} "$@" | exec 0<&-; echo "$\{PIPESTATUS[0]}"`
  for (const args of [['--help'], ['pools', '-o', 'json']]) {
    const { code, output } = await inShell(t, ['bash', '-c', script, 'bash', ...args])
    t.same({ code, output }, { code: 0, output: '0\n' }, args.join(' '))
  }
})

void t.test('on a terminal of 40 columns nothing is broken in the middle', async (t) => {
  const small = (command: string) =>
    inTerminal(t, `stty cols 40 rows 12; '${process.execPath}' ${program} ${command}`)
  const [table, help] = [await small('pools list'), await small('pools set --help')]
  // A command that is to be copied stays on its line.
  const lines = plain(`${table.output}${help.output}`).split('\r\n')
  for (const line of lines.filter((text) => !/^( {2}|Usage: )greenroom/.test(text)))
    t.ok(line.length <= 40, `${line.length}: ${line}`)
  t.match(plain(table.output), /^POOL +echo-agent\r\nREADY +2\r\n/)
})

void t.test('top and --watch: q and Ctrl-C give the terminal back', async (t) => {
  const top = `'${process.execPath}' ${program} top`
  for (const key of ['q', '\u0003']) {
    const { output, code } = await inTerminal(
      t,
      `${top}; echo "ended with $?"; stty -a`,
      async (terminal) => {
        await until('the pools', () => terminal.text().includes('empty-agent'), 60_000)
        terminal.type(key)
      },
    )
    t.equal(code, 0)
    t.match(
      output.replaceAll('\u001b', 'ESC'),
      /ESC\[\?1049hESC\[\?25l[^]*ESC\[\?25hESC\[\?1049l[^]*ended with 0/,
    )
    t.match(output, / icanon /, 'the shell reads lines again')
  }
  const watch = await inTerminal(t, `'${process.execPath}' ${program} pools --watch`, async (terminal) => {
    await until('the table', () => terminal.text().includes('empty-agent'), 60_000)
    pools = [pool('echo-agent', { ready: 7 })]
    await until(
      'the change',
      () => /echo-agent +7 [^]*pool\/empty-agent is no/.test(plain(terminal.text())),
      60_000,
    )
    terminal.type('\u0003')
  })
  t.equal(watch.code, 130)
})

void t.test('words are completed, also those that the server knows', async (t) => {
  const complete = async (...words: string[]) => (await run('__complete', ...words)).stdout.trim().split('\n')
  const [commands, actions, names, options, forms] = await Promise.all([
    complete('po'),
    complete('pools', 're'),
    complete('pools', 'get', 'ec'),
    complete('sessions', '--st'),
    complete('pools', '-o', 'js'),
  ])
  t.match(commands, [/^pools\tList/, ':4'])
  t.match(actions, [/^replay\t/, /^retire\t/, ':4'])
  t.match(names, [/^echo-agent\t\d ready$/, ':4'])
  t.match(options, [/^--status\t/, ':4'])
  t.match(forms, [/^json\t/, /^jsonpath=\t/, ':4'])
  for (const shell of ['bash', 'zsh', 'fish'])
    t.match(await run('completion', shell), { code: 0, stdout: /greenroom __complete/ })
  const { stdout } = await run('completion', 'bash')
  const tried = `greenroom() { '${process.execPath}' ${program} "$@"; }; ${stdout}
    COMP_WORDS=(greenroom pools fr); COMP_CWORD=2; _greenroom; echo "$\{COMPREPLY[@]}"`
  t.match(await inShell(t, ['bash', '-c', tried]), { code: 0, output: 'freeze\n' })
})

interface Terminal {
  text(): string
  type(keys: string): void
}

/** Runs a line of a shell in a terminal of its own. */
function inTerminal(t: Test, line: string, use: (terminal: Terminal) => Promise<void> = async () => {}) {
  return inShell(t, ['script', '-qec', line, '/dev/null'], use)
}

async function inShell(
  t: Test,
  [command = '', ...args]: readonly string[],
  use: (terminal: Terminal) => Promise<void> = async () => {},
) {
  const child = spawn(command, args, {
    cwd: root,
    env: {
      PATH: process.env.PATH,
      NODE_COMPILE_CACHE: process.env.NODE_COMPILE_CACHE,
      SHELL: '/bin/sh',
      TERM: 'xterm',
      ...env,
    },
  })
  t.teardown(() => child.kill('SIGKILL'))
  let output = ''
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding('utf8').on('data', (text: string) => {
      output += text
    })
  const closed = once(child, 'close')
  await use({ text: () => output, type: (keys) => child.stdin.write(keys) })
  const [code] = (await closed) as [number | null]
  return { code, output }
}
