/** Examples of the routes by which people see and steer; api-examples.ts has the others. */

const status = {
  at: '2026-03-01T09:00:00.000Z',
  state: 'attention',
  parts: [
    { part: 'kubernetes', state: 'ok', detail: 'The API server is watched.' },
    {
      part: 'controller',
      state: 'ok',
      detail: 'One replica leads.',
      leader: 'session-management-server-7d4c9',
    },
    {
      part: 'webhook-certificate',
      state: 'ok',
      detail: 'It is good until 2026-03-22T04:48:00.000Z.',
      daysLeft: 20.8,
    },
  ],
  problems: [
    {
      code: 'image',
      subject: 'pool stella-agent',
      what: 'The pool stella-agent does not get the pods that it wants.',
      cause:
        'registry.example/stella:1.8.O: not found. Correct template.image in agent-pools, or make the image available to the nodes.',
      command: 'kubectl -n ai-agents describe pods -l greenroom.dev/pool=stella-agent',
      since: '2026-03-01T08:58:30.000Z',
    },
  ],
  totals: { pools: 3, idle: 12, warming: 1, claimed: 30, waiting: 0, sessions: 30 },
}
const timeline = {
  steps: [
    { step: 'reserved', at: '2026-03-01T09:00:00.002Z', ms: 1.1 },
    { step: 'committed', at: '2026-03-01T09:00:00.005Z', ms: 3.2 },
    { step: 'delivered', at: '2026-03-01T09:00:00.012Z', ms: 6.4 },
    { step: 'activated', at: '2026-03-01T09:00:00.012Z', ms: 0.3 },
    { step: 'agent-joined', at: '2026-03-01T09:00:00.210Z', ms: 198 },
    { step: 'renewed', at: '2026-03-01T09:04:40.100Z', count: 14 },
    { step: 'ending', at: '2026-03-01T09:05:00.000Z', detail: 'ended:caller' },
    { step: 'ended', at: '2026-03-01T09:05:02.000Z', ms: 2_000, detail: 'ended:caller' },
  ],
}
const poolHistory = {
  agentType: 'stella-agent',
  points: [
    { at: '2026-03-01T08:59:00.000Z', idle: 5, claimed: 11, waiting: 0, hitRate: 1 },
    { at: '2026-03-01T09:00:00.000Z', idle: 4, claimed: 12, waiting: 0 },
  ],
}
const admission = {
  at: '2026-03-01T09:00:00.000Z',
  since: '2026-03-01T08:00:00.000Z',
  replicas: { asked: 3, answered: 3 },
  rows: [
    { rule: 'images', namespace: 'ai-agents', denied: 4, changed: 0, warned: 0 },
    { rule: 'probes', namespace: 'ai-agents', denied: 0, changed: 31, warned: 0 },
  ],
  drift: { change: 2, deny: 0 },
}
const change = {
  agentType: 'stella-agent',
  changed: true,
  dryRun: false,
  diff: '@@ -4,3 +4,3 @@\n       template: { image: registry.example/stella:1.8.0 }\n-      min: 5\n+      min: 8\n       max: 40\n',
  generation: '184512',
  writable: true,
  command: 'kubectl -n ai-agents edit configmap agent-pools',
}
const { generation: _generation, ...shown } = change

export const statusExamples = {
  readStatus: { 200: status },
  readTimeline: { 200: timeline },
  readPoolHistory: { 200: poolHistory },
  readAdmission: { 200: admission },
  freezePool: { 200: { ...change, diff: '@@ -3,3 +3,4 @@\n     stella-agent:\n+      frozen: true\n' } },
  thawPool: { 200: { ...change, changed: false, diff: '' } },
  resizePool: { body: { min: 8, dryRun: true }, 200: { ...shown, changed: false, dryRun: true } },
  retirePod: {
    200: {
      agentType: 'stella-agent',
      pod: 'stella-agent-7xk2p',
      uid: '5f0d9c1e-8f57-4c55-9a3b-1d2e3f4a5b6c',
    },
  },
} as const
