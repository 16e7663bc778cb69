import { createHash } from 'node:crypto'
import t, { type Test } from 'tap'
import { newAssignment, podUid } from './contract-fixture.ts'
import { delivery, startEchoAgent as startProcess } from './echo-agent-process.ts'

const assignment = newAssignment({ metadata: { language: 'de' }, secrets: { TOOL_KEY: 'sk-jit-1' } })
const order = { sessionId: assignment.sessionId, epoch: 1, reason: 'ended:caller' }

async function startEchoAgent(t: Test, extraEnv: Record<string, string> = {}) {
  const agent = await startProcess(t, extraEnv)
  const echo = (content: unknown, sessionId = assignment.sessionId) =>
    fetch(`http://${agent.ip}:8080/sessions/${sessionId}/echo`, {
      method: 'POST',
      headers: { 'content-type': typeof content === 'string' ? 'text/plain' : 'application/json' },
      body: typeof content === 'string' ? content : JSON.stringify(content),
    })
  return { ...agent, echo }
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
