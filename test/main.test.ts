import { randomBytes } from 'node:crypto'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { temporaryFolder } from '../bed/processes/temporary-folder.ts'
import { startPostgres } from '../bed/servers/postgres-server.ts'
import { agentCommands } from '../src/cli/agent-commands.ts'
import { operatorCommands } from '../src/cli/operator-commands.ts'
import { serverCommands } from '../src/cli/server-commands.ts'
import { newKeyPair, privateSet } from './agent/contract-fixture.ts'
import { runMain } from './support/run-main.ts'
import type { ProgramOutcome } from './support/run-program.ts'

/** Exit code 1 and one line for people: no stack, nothing of the inside. */
function isRefusal(t: Test, { code, stderr }: ProgramOutcome, grn: string): void {
  t.equal(code, 1)
  t.match(stderr, new RegExp(`^${grn}: \\S.*\\.\\n$`))
  t.equal(stderr.trim().split('\n').length, 1, stderr)
  t.notMatch(stderr, /\bat .*:\d+:\d+|node_modules/)
}

void t.test('no role, a wrong role, one among right ones', async (t) => {
  for (const args of [[], ['server'], ['api', 'nothing'], ['api', 'migrate'], ['--help'], ['toString']]) {
    const outcome = await runMain(args)
    isRefusal(t, outcome, 'GRN_INVALID_CONFIG')
    t.match(
      outcome.stderr,
      new RegExp(
        `Usage: .*${['api', 'controller', 'webhook', 'migrate', ...Object.keys(serverCommands), ...Object.keys(operatorCommands), ...Object.keys(agentCommands), 'agent', 'compile-cache'].join('\\|')}`,
      ),
    )
  }
})

void t.test('an agent without a name, or with one that the image does not have', async (t) => {
  for (const args of [['agent'], ['agent', 'toString'], ['agent', '../cli/scan']]) {
    const outcome = await runMain(args)
    isRefusal(t, outcome, 'GRN_INVALID_CONFIG')
    t.match(outcome.stderr, 'Usage: node src/main.ts agent echo.')
  }
})

void t.test('an empty environment: every variable is named at once', async (t) => {
  const needed: Record<string, readonly string[]> = {
    api: [
      'DATABASE_URL',
      'REDIS_URL',
      'GREENROOM_ASSIGN_KEY_FILE',
      'GREENROOM_HMAC_SECRET',
      'GREENROOM_API_KEYS',
    ],
    controller: ['DATABASE_URL', 'REDIS_URL', 'GREENROOM_ASSIGN_KEY_FILE'],
    // Everything has a default but the API server, which a pod knows by itself.
    webhook: [],
    migrate: ['DATABASE_URL'],
  }
  for (const [role, names] of Object.entries(needed)) {
    const outcome = await runMain([role])
    isRefusal(t, outcome, 'GRN_INVALID_CONFIG')
    for (const name of names) t.match(outcome.stderr, `${name}: is missing`)
  }
})

void t.test('values never appear, for they may be secrets', async (t) => {
  const outcome = await runMain(['api'], {
    DATABASE_URL: 'mysql://user:hunter2@host/db',
    REDIS_URL: 'http://:hunter2@host',
    GREENROOM_ASSIGN_KEY_FILE: '/key.json',
    GREENROOM_HMAC_SECRET: 'hunter2',
    GREENROOM_API_KEYS: 'hunter2',
    GREENROOM_PORT: 'hunter2',
  })
  isRefusal(t, outcome, 'GRN_INVALID_CONFIG')
  for (const name of [
    'DATABASE_URL',
    'REDIS_URL',
    'GREENROOM_HMAC_SECRET',
    'GREENROOM_API_KEYS',
    'GREENROOM_PORT',
  ])
    t.match(outcome.stderr, name)
  t.notMatch(outcome.stderr + outcome.stdout, /hunter2/)
})

void t.test('a database that was not migrated is refused, with the way out', async (t) => {
  const folder = await temporaryFolder('main')
  const server = await startPostgres({ folder: folder.path })
  t.teardown(async () => {
    await server.stop()
    await folder.remove()
  })
  const keyFile = join(folder.path, 'assign-keys.json')
  // A key id with a dot, which the webhook takes as well, is no reason not to start.
  await writeFile(keyFile, privateSet(newKeyPair('k.1')))
  const env = {
    DATABASE_URL: await server.createDatabase('empty'),
    REDIS_URL: 'redis://127.0.0.1:9',
    GREENROOM_ASSIGN_KEY_FILE: keyFile,
    GREENROOM_HMAC_SECRET: randomBytes(32).toString('hex'),
    GREENROOM_API_KEYS: randomBytes(16).toString('hex'),
    GREENROOM_PORT: '0',
    GREENROOM_OPS_PORT: '0',
    GREENROOM_LOG_LEVEL: 'silent',
  }
  for (const role of ['api', 'controller']) {
    const outcome = await runMain([role], env)
    isRefusal(t, outcome, 'GRN_SCHEMA_OUTDATED')
    t.match(outcome.stderr, /lacks the migration 0001.*npm run migrate/)
  }
  t.match(await runMain(['migrate'], env), { code: 0, stderr: '' })
  t.match(await runMain(['migrate'], env), { code: 0, stderr: '' }, 'again')
  const { GREENROOM_LOG_LEVEL: _level, ...loud } = env
  t.match((await runMain(['migrate'], loud)).stdout, /the schema is up to date/)
})
