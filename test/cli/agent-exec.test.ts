import { spawn } from 'node:child_process'
import { once } from 'node:events'
import t, { type Test } from 'tap'
import { until } from '../../bed/processes/until.ts'
import { newAssignment, startHttp } from '../agent/contract-fixture.ts'
import { delivery, startAgentProcess } from '../agent/echo-agent-process.ts'

const program = new URL('../../src/cli/greenroom.ts', import.meta.url).pathname
const livekit = {
  url: 'ws://livekit:7880',
  room: 'room-1',
  token: 'tok-1',
  expiresAt: '2100-01-01T00:00:00Z',
}

async function startExec(t: Test, script: string, env: Record<string, string> = {}) {
  const calls: string[] = []
  const port = await startHttp(t, (request, response) => {
    calls.push(`${request.method} ${request.url}`)
    response.end('{}')
  })
  const assignment = newAssignment({
    apiUrl: `http://127.0.0.1:${port}`,
    livekit,
    metadata: { language: 'de' },
    secrets: { TOOL_KEY: 'sk-jit-1', OPENAI_BASE_URL: 'http://elsewhere' },
    leaseMs: 3_000,
  })
  const command = [process.execPath, program, 'agent-exec', '--', process.execPath, '-e', script]
  const agent = await startAgentProcess(t, command, env)
  const called = (text: string) => until(text, () => calls.some((call) => call.includes(text)))
  const order = { sessionId: assignment.sessionId, epoch: 1, reason: 'ended:caller' }
  return { ...agent, assignment, calls, called, order }
}

void t.test('the command starts with its session, and its end ends the session', async (t) => {
  const script = `
    const { SESSION_ID, SESSION_METADATA, AGENT_TYPE, ROOM_NAME, PARTICIPANT_IDENTITY, LIVEKIT_URL, LIVEKIT_TOKEN,
      TOOL_KEY, OPENAI_BASE_URL, POD_OWN, GREENROOM_ASSIGN_KEYS } = process.env
    console.log('SAW ' + JSON.stringify({ SESSION_ID, SESSION_METADATA, AGENT_TYPE, ROOM_NAME, PARTICIPANT_IDENTITY,
      LIVEKIT_URL, LIVEKIT_TOKEN, TOOL_KEY, OPENAI_BASE_URL, POD_OWN, GREENROOM_ASSIGN_KEYS }))
    require('fs').writeSync(Number(process.env.GREENROOM_JOINED_FD), '.')
    setTimeout(() => {}, 1500)`
  const exec = await startExec(t, script, { POD_OWN: 'kept', GREENROOM_EXEC_SECRETS: 'TOOL_KEY' })
  t.notMatch(exec.lines.join(), 'SAW', 'nothing runs before the assignment')
  t.match(await delivery.assign(exec.pod, exec.assignment, 5_000), { kind: 'accepted' })
  await exec.logged(/^SAW/)
  const { sessionId } = exec.assignment
  t.same(JSON.parse(exec.lines.find((line) => line.startsWith('SAW'))?.slice(4) ?? ''), {
    SESSION_ID: sessionId,
    SESSION_METADATA: '{"language":"de"}',
    AGENT_TYPE: 'echo-agent',
    ROOM_NAME: 'room-1',
    PARTICIPANT_IDENTITY: `agent-${sessionId}-1`,
    LIVEKIT_URL: 'ws://livekit:7880',
    LIVEKIT_TOKEN: 'tok-1',
    TOOL_KEY: 'sk-jit-1',
    POD_OWN: 'kept',
  })
  await exec.called('/joined')
  await exec.called('/renew')
  await exec.called(`DELETE /v1/sessions/${sessionId}?epoch=1&reason=command+exited+with+code+0`)
  t.match(await delivery.end(exec.pod, exec.order), { kind: 'accepted' })
  t.equal(await exec.exited, 0)
  t.notMatch(exec.lines.filter((line) => line.startsWith('{')).join(), /sk-jit-1|tok-1|grs_/)
})

void t.test('a command that crashes is told at once', async (t) => {
  const exec = await startExec(t, 'process.exit(7)')
  t.match(await delivery.assign(exec.pod, exec.assignment, 5_000), { kind: 'accepted' })
  await exec.called('reason=command+exited+with+code+7')
})

void t.test('a command that does not exist fails the assignment, and the pod is not used', async (t) => {
  const agent = await startAgentProcess(t, [process.execPath, program, 'agent-exec', '/no/such/command'])
  const outcome = await delivery.assign(agent.pod, newAssignment(), 5_000)
  t.match(outcome, { kind: 'refused', reason: 'status 500 AGENT_HANDLER_FAILED' })
})

for (const how of ['/end', 'SIGTERM'] as const) {
  void t.test(`${how}: the command gets SIGTERM and its time, and its output passes`, async (t) => {
    const script = `process.on('SIGTERM', () => setTimeout(() => { console.log('BYE'); process.exit(0) }, 300))
      console.log('UP'); setInterval(() => {}, 1000)`
    const exec = await startExec(t, script)
    await delivery.assign(exec.pod, exec.assignment, 5_000)
    await exec.logged(/^UP/)
    if (how === 'SIGTERM') exec.child.kill('SIGTERM')
    else await delivery.end(exec.pod, exec.order)
    t.equal(await exec.exited, 0)
    await exec.logged(/^BYE/)
    t.notMatch(exec.calls.join(), 'DELETE', 'the session was over before')
  })
}

void t.test('a command that ignores SIGTERM is killed after its time', async (t) => {
  const script = `process.on('SIGTERM', () => {}); console.log('UP'); setInterval(() => {}, 1000)`
  const exec = await startExec(t, script, { GREENROOM_EXEC_GRACE_SECONDS: '0.3' })
  await delivery.assign(exec.pod, exec.assignment, 5_000)
  await exec.logged(/^UP/)
  await delivery.end(exec.pod, exec.order)
  t.equal(await exec.exited, 0)
})

void t.test('without a command it says what is missing', async (t) => {
  const child = spawn(process.execPath, [program, 'agent-exec'], { stdio: ['ignore', 'ignore', 'pipe'] })
  const [message] = (await once(child.stderr, 'data')) as [Buffer]
  t.match(message.toString(), /^GRN_WRONG_ARGUMENTS: There is no COMMAND after --\./)
  t.equal((await once(child, 'exit'))[0], 2)
})
