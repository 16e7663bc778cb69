import { execFile, spawn } from 'node:child_process'
import { createReadStream } from 'node:fs'
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import { type AddressInfo, connect } from 'node:net'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { build } from 'esbuild'
import t, { type Test } from 'tap'
import { type Bed, startBed } from '../../bed/bed.ts'
import { poolsDocument } from '../../bed/pools-document.ts'
import { temporaryFolder } from '../../bed/processes/temporary-folder.ts'
import { until } from '../../bed/processes/until.ts'
import { root } from '../../bed/repository.ts'
import { freePort } from '../../bed/servers/free-port.ts'
import { createClient, GreenroomApiError } from '../../src/client/client.ts'
import { openPage, startBrowser } from '../support/browser.ts'
import { createSessionCaller } from './session-caller.ts'

/** docs/quickstart-frontend.md as a reader pastes it, and the caller's SDK against the real API. */

const run = promisify(execFile)

interface Project {
  readonly folder: string
  readonly env: NodeJS.ProcessEnv
}

/** The files of the page's blocks, in a project that has the package. */
async function makeProject(t: Test, bed: Bed): Promise<Project> {
  const temporary = await temporaryFolder('quickstart')
  t.teardown(() => temporary.remove())
  const folder = temporary.path
  const page = await readFile(join(root, 'docs/quickstart-frontend.md'), 'utf8')
  const blocks = [...page.matchAll(/^```js\n\/\/ (\S+)\n(.*?)^```$/gms)]
  t.same(
    blocks.map(([, name]) => name),
    ['server.js', 'page.js', 'job.js', 'team.js'],
  )
  for (const [, name = '', text = ''] of blocks) await writeFile(join(folder, name), text)
  await writeFile(join(folder, 'package.json'), '{"type": "module"}')
  const greenroom = join(folder, 'node_modules/greenroom')
  await mkdir(greenroom, { recursive: true })
  await writeFile(
    join(greenroom, 'package.json'),
    JSON.stringify({
      name: 'greenroom',
      type: 'module',
      exports: { './client': './client.js', './client/batch': './client-batch.js' },
    }),
  )
  await build({
    entryPoints: ['client', 'client-batch'].map((entry) => join(root, `src/client/${entry}.ts`)),
    bundle: true,
    format: 'esm',
    platform: 'browser',
    outdir: greenroom,
  })
  const env = { ...process.env, GREENROOM_URL: bed.apiUrls[0], GREENROOM_API_KEY: bed.apiKey }
  return { folder, env }
}

void t.test('the quick start for frontends', { timeout: 150_000 }, async (t) => {
  const bed = await startBed({ livekit: true, pools: poolsDocument({ min: 3, max: 8 }) })
  t.teardown(() => bed.stop())
  const caller = createSessionCaller(bed)
  await caller.untilIdle(3)
  const project = await makeProject(t, bed)

  await t.test('a server and a page', (t) => serverAndPage(t, project))

  await t.test('a job: await using ends its session', async (t) => {
    const { stdout, stderr } = await run(process.execPath, ['job.js'], {
      cwd: project.folder,
      env: project.env,
    })
    t.match(stdout, /^pod echo-agent-\S+\nroom echo-agent-\S+ token valid until 20/)
    t.equal(stderr, '')
    const { sessions } = (await caller.client.call({ method: 'GET', path: '/v1/sessions?limit=1' })).body
    t.match(sessions[0], { endReason: 'ended:caller' })
    const refused = await run(process.execPath, ['job.js'], {
      cwd: project.folder,
      env: { ...project.env, GREENROOM_API_KEY: 'wrong' },
    })
    t.match(refused.stderr, /^GRN_UNAUTHENTICATED .* [0-9a-f-]{36}\n$/s)
  })

  await t.test('a team: all of them, then as many as there are', async (t) => {
    await caller.untilIdle(3)
    const { stdout, stderr } = await run(process.execPath, ['team.js'], {
      cwd: project.folder,
      env: project.env,
    })
    t.match(stdout, /^team of 2\n(not opened: GRN_POOL_EMPTY\n)*$/)
    t.equal(stderr, '')
  })

  await t.test('in Python, without a package', async (t) => {
    const page = await readFile(join(root, 'docs/quickstart-frontend.md'), 'utf8')
    const command = /^```sh\n(.*?)^```$/ms.exec(page)?.[1] ?? ''
    // A lease of 60 s is renewed after 20 s; this talk is too short for that, and ends by itself.
    const { stdout } = await run('bash', ['-euo', 'pipefail', '-c', command], { cwd: root, env: project.env })
    t.match(stdout, /^session \S+ on pod echo-agent-\S+\nroom echo-agent-\S+\nended ended:caller\n$/)
  })

  await t.test('the SDK against the real API', (t) => sdkAndApi(t, bed))
})

async function serverAndPage(t: Test, { folder, env }: Project): Promise<void> {
  const port = await freePort()
  const server = spawn(process.execPath, ['server.js'], { cwd: folder, env: { ...env, PORT: String(port) } })
  t.teardown(() => server.kill())
  const bundle = join(folder, 'page.bundle.js')
  await build({
    entryPoints: [join(folder, 'page.js')],
    bundle: true,
    format: 'esm',
    outfile: bundle,
    nodePaths: [join(root, 'node_modules')],
  })
  // What a developer's own server does: the page, its script, and /talk.
  const front = createServer((request, response) => {
    if (request.url === '/page.js') {
      response.setHeader('content-type', 'text/javascript')
      createReadStream(bundle).pipe(response)
    } else if (request.url === '/talk') {
      fetch(`http://127.0.0.1:${port}/`, { method: 'POST' })
        .then(async (answer) => response.end(await answer.text()))
        .catch(() => response.destroy())
    } else {
      response.setHeader('content-type', 'text/html')
      response.end('<!doctype html><title>Talk</title><script type="module" src="/page.js"></script>')
    }
  })
  await new Promise<void>((resolve) => front.listen(0, '127.0.0.1', resolve))
  t.teardown(() => front.close())
  // Each request opens a session: a connection is enough to see that it listens.
  await until('the server', () => isListening(port))
  const { page } = await openPage(await startBrowser(t))
  const heard = page.waitForEvent('console', {
    predicate: (line) => line.text() === 'agent: Hello',
    timeout: 20_000,
  })
  await page.goto(`http://127.0.0.1:${(front.address() as AddressInfo).port}/`)
  await heard
  t.pass('the agent answered')
  await page.locator('audio').waitFor({ state: 'attached' })
}

function isListening(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1')
    socket.once('connect', () => resolve(true)).once('error', () => resolve(false))
    socket.once('connect', () => socket.destroy())
  })
}

async function sdkAndApi(t: Test, bed: Bed): Promise<void> {
  const client = createClient({ url: bed.apiUrls[0] ?? '', apiKey: bed.apiKey })
  const session = await client.open({ agentType: 'echo-agent', leaseSeconds: 10 })
  const { expiresAt } = session.view.lease
  t.match(await client.sessions.get(session.id), { id: session.id, status: 'ACTIVE' })
  t.ok((await client.sessions.list({ status: 'ACTIVE', limit: 1 })).sessions.length === 1)
  t.match(await client.pools.get('echo-agent'), { agentType: 'echo-agent' })
  t.ok((await client.pools.list()).pools.length > 0)
  const first = await session.livekit()
  t.equal(await session.livekit(), first)
  t.not(await session.livekit({ validForMs: 3_600_000 }), first, 'asked for again')
  await until('a renewal', () => session.view.lease.expiresAt > expiresAt)
  // The same key is the same session.
  const key = 'a-key-of-the-test'
  const one = await client.open({ agentType: 'echo-agent' }, { idempotencyKey: key })
  const again = await client.open({ agentType: 'echo-agent' }, { idempotencyKey: key })
  t.equal(again.id, one.id)
  await one.end()
  t.match(await again.refresh(), { status: /END/ })
  t.match(await again.over, { reason: 'ended:caller' })
  // Somebody else ends it: the next renewal tells.
  await client.sessions.end(session.id)
  t.match(await session.over, { reason: 'ended:caller' })
  await t.rejects(session.livekit({ validForMs: 7_200_000 }), { code: 'GRN_SESSION_OVER' })
  const error: unknown = await client.open({ agentType: 'nobody' }).catch((reason: unknown) => reason)
  t.ok(error instanceof GreenroomApiError)
  t.match(error, { code: 'GRN_UNKNOWN_AGENT_TYPE', retryable: false, remediation: /GET \/v1\/pools/ })
  // An open that is given up holds no pod.
  const leaving = new AbortController()
  const opening = client.open({ agentType: 'echo-agent', projectId: 'leaver' }, { signal: leaving.signal })
  leaving.abort()
  await t.rejects(opening, { name: 'AbortError' })
  await until('its end', async () => {
    const { sessions } = await client.sessions.list({ projectId: 'leaver' })
    return sessions[0]?.endReason === 'ended:caller'
  })
}
