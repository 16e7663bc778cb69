import t from 'tap'
import { apiKey, knownId, startApi, unknownId } from '../http/api-bed.ts'
import { runProgram } from '../support/run-program.ts'

const course = {
  createdAt: 0,
  reserve: 1,
  commit: 3,
  deliver: 4,
  activate: 2,
  activeAt: 12,
  agentJoinedAt: undefined,
  participantJoinedAt: undefined,
  renewals: 0,
  renewedAt: undefined,
  endingAt: undefined,
  endedAt: undefined,
  endReason: undefined,
  endDetail: undefined,
}
const retired: string[] = []
const notAsked = () => Promise.reject(new Error('nobody may ask for that here'))
const { app } = await startApi(t, {
  timelines: { course: async (id) => (id === knownId ? course : undefined) },
  steerPools: {
    freeze: notAsked,
    thaw: notAsked,
    resize: notAsked,
    retirePod: async (agentType, pod) => {
      retired.push(`${agentType}/${pod}`)
      return { agentType, pod, uid: knownId }
    },
  },
})
const url = await app.listen({ host: '127.0.0.1', port: 0 })
const env = { GREENROOM_API_URL: url, GREENROOM_API_KEY: apiKey, HOME: '/nowhere' }
const run = (...args: string[]) => runProgram('src/cli/greenroom.ts', args, { env })

void t.test('where the milliseconds of an open went', async (t) => {
  const [timeline, names, unknown] = await Promise.all([
    run('sessions', 'timeline', knownId),
    run('sessions', 'timeline', `session/${knownId}`, '-o', 'jsonpath={.steps[*].step}'),
    run('sessions', 'timeline', unknownId),
  ])
  t.match(timeline.stdout, /^AT +STEP +MS +DETAIL\n1970-\S+ +reserved +1 +-\n/)
  t.equal(names.stdout, 'reserved committed delivered activated\n')
  t.match(unknown, { code: 3, stderr: /^GRN_SESSION_NOT_FOUND/ })
})

void t.test('a pod is retired; where nobody can be asked, only with --yes', async (t) => {
  t.match(await run('pools', 'retire', 'echo-agent', 'echo-agent-a'), { code: 2, stderr: /give --yes/ })
  t.same(retired, [])
  t.match(await run('pools', 'retire', 'pool/echo-agent', 'echo-agent-b', '--yes'), {
    code: 0,
    stdout: 'echo-agent-b is retired.\n',
  })
  t.same(retired, ['echo-agent/echo-agent-b'])
})
