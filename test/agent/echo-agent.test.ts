import { type ChildProcess, spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import t, { type Test } from 'tap'
import { createAgentDelivery } from '../../src/delivery/agent-delivery.ts'
import { loadSigningKeys } from '../../src/delivery/signing-keys.ts'
import { newAssignment, newKeyPair, newRecipient, podUid, privateSet, publicSet } from './contract-fixture.ts'

/** The real program, as a pod runs it: a process of its own, on port 8080 of an address of its own. */

const pair = newKeyPair('k1')
const delivery = createAgentDelivery({ keys: await loadSigningKeys(privateSet(pair)) })
const program = new URL('../../src/agent/echo-agent.ts', import.meta.url).pathname
const assignment = newAssignment({ metadata: { language: 'de' }, secrets: { TOOL_KEY: 'sk-jit-1' } })
const order = { sessionId: assignment.sessionId, epoch: 1, reason: 'ended:caller' }
let agents = 0

async function startEchoAgent(t: Test, extraEnv: Record<string, string> = {}) {
  // From the process id, so that a second run of these tests has other addresses.
  const ip = `127.${100 + (process.pid % 100)}.${(process.pid >> 7) % 256}.${10 + agents++}`
  const startedAt = performance.now()
  const child = spawn(process.execPath, [program], {
    env: {
      GREENROOM_POD_UID: podUid,
      GREENROOM_POD_NAME: 'echo-agent-1',
      GREENROOM_ASSIGN_KEYS: publicSet(pair),
      GREENROOM_AGENT_TYPE: 'echo-agent',
      GREENROOM_LISTEN_ADDRESS: ip,
      ...extraEnv,
    },
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  t.teardown(() => child.kill('SIGKILL'))
  const exited = exitOf(child)
  const lines: string[] = []
  await new Promise<void>((resolve) => {
    createInterface({ input: child.stdout }).on('line', (line) => {
      lines.push(line)
      if (line.includes('"listening"') || line.includes('"cannot start"')) resolve()
    })
  })
  t.comment(`first line after ${Math.round(performance.now() - startedAt)} ms`)
  const echo = (content: unknown, sessionId = assignment.sessionId) =>
    fetch(`http://${ip}:8080/sessions/${sessionId}/echo`, {
      method: 'POST',
      headers: { 'content-type': typeof content === 'string' ? 'text/plain' : 'application/json' },
      body: typeof content === 'string' ? content : JSON.stringify(content),
    })
  return { child, ip, exited, lines, echo, pod: newRecipient({ ip }) }
}

async function exitOf(child: ChildProcess): Promise<unknown> {
  const [code, signal] = (await once(child, 'exit')) as unknown[]
  return code ?? signal
}

void t.test('it serves its session, proves which and with what, ends and exits 0', async (t) => {
  const { echo, pod, ip, exited, lines } = await startEchoAgent(t, { OPENAI_API_KEY: 'sk-env-2' })
  t.match(await (await echo('too early')).json(), { status: 503, code: 'AGENT_NOT_READY' })
  t.match(await delivery.assign(pod, assignment, 5_000), { kind: 'accepted' })
  const expected = {
    sessionId: assignment.sessionId,
    podUid,
    podName: 'echo-agent-1',
    epoch: 1,
    metadata: { language: 'de' },
    counters: { messages: 1 },
    secretDigests: { TOOL_KEY: createHash('sha256').update('sk-jit-1').digest('hex') },
    envSecret: true,
  }
  t.same(await (await echo({ hello: ['world'] })).json(), { ...expected, echo: { hello: ['world'] } })
  t.same(await (await echo('hello')).json(), { ...expected, counters: { messages: 2 }, echo: 'hello' })
  t.equal((await echo('hello', 'another-session')).status, 404)
  const metrics = await (await fetch(`http://${ip}:8080/metrics`)).text()
  t.match(metrics, 'agent_messages_processed_total{agent_type="echo-agent"} 2')
  t.match(metrics, 'agent_response_latency_seconds_count{agent_type="echo-agent"} 2')
  t.match(await delivery.end(pod, order), { kind: 'accepted' })
  t.equal(await exited, 0)
  for (const line of lines) t.ok(JSON.parse(line), 'every line is JSON')
  t.notMatch(lines.join(), /sk-jit-1|sk-env-2|grs_/, 'no secret in the log')
})

void t.test('without the optional secret it says so', async (t) => {
  const { echo, pod } = await startEchoAgent(t)
  await delivery.assign(pod, newAssignment(), 5_000)
  t.match(await (await echo('x')).json(), { envSecret: false, secretDigests: {}, metadata: {} })
})

void t.test('SIGTERM ends it with 0, unclaimed or serving', async (t) => {
  const idle = await startEchoAgent(t)
  idle.child.kill('SIGTERM')
  t.equal(await idle.exited, 0)
  const serving = await startEchoAgent(t)
  await delivery.assign(serving.pod, assignment, 5_000)
  serving.child.kill('SIGTERM')
  t.equal(await serving.exited, 0)
})

void t.test('it does not start without its keys, and says why', async (t) => {
  const { exited, lines } = await startEchoAgent(t, { GREENROOM_ASSIGN_KEYS: 'not a key set' })
  t.equal(await exited, 1)
  t.match(lines.join(), /"cannot start".*assign keys: not valid JSON/)
  t.notMatch(lines.join(), /not a key set/)
})
