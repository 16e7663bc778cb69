import { connect } from 'node:net'
import { inWords } from '../contract-call.ts'
import { type ContractRule, RuleBroken } from '../contract-rule.ts'
import { expectProbe, expectStatus } from '../expect.ts'

/** What the kubelet asks. */
export const probeRules: readonly ContractRule[] = [
  {
    rule: 'health',
    title: 'answers GET /health',
    fix: 'Answer 200 {"status":"healthy"} as long as the process can work, in every state.',
    on: 'idle',
    check: (trial) => expectProbe(trial, '/health', 'healthy'),
  },
  {
    rule: 'ready-while-idle',
    title: 'is ready before it has a session',
    fix: 'Answer GET /ready with 200 {"status":"ready"} as soon as an assignment can be taken. Do not wait for a room.',
    on: 'idle',
    check: (trial) => expectProbe(trial, '/ready', 'ready'),
  },
  {
    rule: 'ready-while-serving',
    title: 'stays ready while it serves a session',
    fix: 'Answer GET /ready with 200 while a session is served: an unready pod counts as trouble.',
    on: 'serving',
    check: (trial) => expectProbe(trial, '/ready', 'ready'),
  },
  {
    rule: 'unknown-path',
    title: 'answers 404 where there is nothing',
    fix: 'Answer 404 to unknown paths, and go on.',
    on: 'idle',
    async check(trial) {
      const path = '/there-is-nothing-here'
      const seen = expectStatus(await trial.get(path), 404, `GET ${path}`)
      await expectProbe(trial, '/health', 'healthy')
      return seen
    },
  },
  {
    rule: 'slow-client',
    title: 'answers others while one client is slow',
    fix: 'Serve every connection by itself (threads, or an event loop), and end requests that do not become complete.',
    on: 'idle',
    async check(trial) {
      const slow = connect(trial.port, trial.address)
      slow.on('error', () => undefined)
      await new Promise((resolve) => slow.write('POST /assign HTTP/1.1\r\nHost: pod\r\nContent-Le', resolve))
      try {
        const answer = await trial.get('/health')
        if (answer.status !== 200)
          throw new RuleBroken(`beside half a request GET /health ${inWords(answer)}`)
        return `beside half a request GET /health answered 200 in ${Math.round(answer.tookMs)} ms`
      } finally {
        slow.destroy()
      }
    },
  },
]
