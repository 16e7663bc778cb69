import { execFile, spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { readFile, rm } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { promisify } from 'node:util'
import t from 'tap'
import { isAlive } from '../../bed/processes/is-alive.ts'
import { until } from '../../bed/processes/until.ts'
import { createBedClient } from '../../bed/replicas/bed-client.ts'
import { root } from '../../bed/repository.ts'
import { findControlPlane } from '../../bed/set-up/binaries.ts'

/** npm run dev as in the README: facts in .greenroom/dev.json, a role that dies comes back, Ctrl-C leaves nothing. */

interface Facts {
  readonly apiUrls: readonly string[]
  readonly apiKey: string
  readonly kubeconfig: string
  readonly livekitUrl: string | null
  readonly pids: Readonly<Record<string, number>>
}

const file = join(root, '.greenroom/dev.json')
const readFacts = async (): Promise<Facts | undefined> =>
  existsSync(file) ? (JSON.parse(await readFile(file, 'utf8')) as Facts) : undefined

void t.test('dev runs until Ctrl-C', { timeout: 240_000 }, async (t) => {
  await rm(file, { force: true })
  const dev = spawn(process.execPath, ['bed/programs/dev.ts', '--replicas', '3', '--pool', '3'], {
    cwd: root,
  })
  let output = ''
  dev.stdout.on('data', (chunk) => {
    output += chunk
  })
  dev.stderr.on('data', (chunk) => {
    output += chunk
  })
  const exited = new Promise<number | null>((resolve) => dev.once('exit', resolve))
  t.teardown(() => dev.kill('SIGKILL'))
  const facts = await until('dev.json', readFacts, 60_000).catch((error: unknown) => {
    throw new Error(output, { cause: error })
  })
  t.equal(facts.apiUrls.length, 3)
  t.same(Object.keys(facts.pids).toSorted(), [
    'api-1',
    'api-2',
    'api-3',
    'controller',
    'etcd',
    'kube-apiserver',
    'livekit',
    'postgres',
    'redis',
    'webhook',
  ])
  t.match(facts.livekitUrl, /^ws:\/\/127\.0\.0\.1:\d+$/)
  const clients = facts.apiUrls.map((url) => createBedClient({ url, apiKey: facts.apiKey }))
  const [client] = clients
  if (!client) throw new Error('no replica')
  t.teardown(() => clients.forEach((one) => one.close()))
  await until('a warm pool', async () => (await client.pool('echo-agent')).body.ready === 3, 90_000)

  const talkAt = /^Talk to it +(\S+)$/m.exec(output)?.[1] ?? ''
  t.match(await (await fetch(talkAt)).text(), '<title>Try it', 'the page that dev prints')

  // The README's block, word for word.
  const readme = await readFile(join(root, 'README.md'), 'utf8')
  const block = /<!-- A test runs this block[^\n]*-->\n```sh\n([\s\S]*?)```/.exec(readme)?.[1] ?? ''
  const kubectlFolder = dirname(findControlPlane()?.kubectl ?? '')
  const { stdout } = await promisify(execFile)('bash', ['-euo', 'pipefail', '-c', block], {
    cwd: root,
    env: { ...process.env, PATH: `${kubectlFolder}:${dirname(process.execPath)}:${process.env.PATH}` },
  })
  t.match(stdout, /"status":"ACTIVE"/)
  t.match(stdout, /"echo":\{"say":"hello"\}/)
  t.match(stdout, /echo-agent {3}claimed {3}[0-9a-f]{8}-/)
  t.match(stdout, /"status":"ENDED"/)

  const sessions = await Promise.all(
    clients.map((one) => one.open({ agentType: 'echo-agent', waitMs: 20_000 })),
  )
  t.equal(
    new Set(sessions.map(({ body }) => body.pod.uid)).size,
    3,
    'three replicas never hand out one pod twice',
  )

  const victim = facts.pids['api-1'] ?? 0
  process.kill(victim, 'SIGKILL')
  const after = await until('a new api-1', async () => {
    const now = await readFacts()
    return now && now.pids['api-1'] !== victim && now
  })
  t.same({ ...after.pids, 'api-1': 0 }, { ...facts.pids, 'api-1': 0 }, 'only that role was started again')
  await until('the new replica', () => client.isReady())
  t.equal(
    (await client.read(sessions[1]?.body.id ?? '')).body.status,
    'ACTIVE',
    'sessions outlive the replica',
  )

  dev.kill('SIGINT')
  t.equal(await exited, 0, output)
  t.notOk(existsSync(file), 'no facts about what is gone')
  t.notOk(existsSync(facts.kubeconfig), 'no temporary folder')
  await until('no process', () => Object.values(after.pids).every((pid) => !isAlive(pid)))
})
