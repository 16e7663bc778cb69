import t from 'tap'
import type { RolloutReport } from '../../src/domain/rollout-report.ts'
import { GreenroomError } from '../../src/errors.ts'
import { apiKey, startApi } from '../http/api-bed.ts'
import { runProgram } from '../support/run-program.ts'

const revision = {
  revision: '00000000000000aa',
  image: 'echo:2',
  templateHash: 'f00',
  policyDigest: '1-abc',
  assignKeyId: 'key-of-today',
  since: '2026-11-01T00:00:00.000Z',
  verdict: 'trial',
} as const

const report: RolloutReport = {
  agentType: 'echo-agent',
  phase: 'canary',
  message: 'Canary pods are on trial; nothing else is replaced yet.',
  current: revision,
  target: { templateHash: 'ba5', image: 'echo:1' },
  pods: { fresh: { idle: 1, claimed: 1 }, drifted: { idle: 4, claimed: 2 } },
  canary: { pods: 2, seconds: 60, passed: 1 },
  revisions: [revision],
}
const orders: string[] = []
const answer = (order: string, phase: RolloutReport['phase']) => async (agentType: string) => {
  orders.push(`${order} ${agentType}`)
  if (agentType !== 'echo-agent') throw new GreenroomError('GRN_UNKNOWN_AGENT_TYPE')
  return { ...report, phase }
}
const api = await startApi(t, {
  steerRollout: {
    read: answer('read', 'canary'),
    undo: answer('undo', 'undone'),
    pause: answer('pause', 'paused'),
    resume: answer('resume', 'stopped'),
  },
})
const url = await api.app.listen({ port: 0, host: '127.0.0.1' })
const run = (...args: string[]) =>
  runProgram('src/cli/greenroom.ts', ['rollout', ...args], {
    env: { GREENROOM_API_URL: url, GREENROOM_API_KEY: apiKey },
  })

void t.test('the state in words, and as JSON', async (t) => {
  const { code, stdout } = await run('status', 'echo-agent')
  t.equal(code, 0)
  t.equal(
    stdout,
    `echo-agent: canary. Canary pods are on trial; nothing else is replaced yet.
new pods are made from echo:1 (template ba5)
canary: 1 of 2 pods have served or were Ready for 60 s
               IDLE  CLAIMED
of the target  1     1
others         4     2
REVISION          VERDICT  SINCE                     IMAGE   ROW    KEY
00000000000000aa  trial    2026-11-01T00:00:00.000Z  echo:2  1-abc  key-of-t
`,
  )
  t.same(JSON.parse((await run('status', 'echo-agent', '--json')).stdout), report)
})

void t.test('orders are posted; a failed canary is exit code 1', async (t) => {
  orders.length = 0
  t.match(await run('undo', 'echo-agent'), { code: 0, stdout: /^echo-agent: undone\./ })
  t.equal((await run('pause', 'echo-agent')).code, 0)
  t.equal((await run('resume', 'echo-agent')).code, 1)
  t.same(orders, ['undo echo-agent', 'pause echo-agent', 'resume echo-agent'])
})

void t.test('what cannot be done is told on stderr, in words', async (t) => {
  t.match(await run('undo', 'nothing'), { code: 3, stderr: /^GRN_UNKNOWN_AGENT_TYPE: / })
  t.match(await run('destroy', 'echo-agent'), { code: 2, stderr: /There are: status, undo, pause, resume\./ })
  t.match(await run('undo'), { code: 2, stderr: /AGENT-TYPE is missing/ })
})

void t.test('without a key nothing is told', async (t) => {
  const headers = { authorization: 'Bearer of no key' }
  t.equal((await api.call('POST', '/v1/pools/echo-agent/rollout/undo', { headers })).statusCode, 401)
})
