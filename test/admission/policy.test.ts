import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { parse } from 'yaml'
import { builtInPolicy, checkPolicy } from '../../src/admission/policy.ts'
import { parseQuantity } from '../../src/admission/quantity.ts'

const row = `
    resources:
      requests: { cpu: 100m, memory: 128Mi }
      limits: { cpu: 1, memory: 1Gi }`

const policyWith = (more: string): string => `version: "1"\nagentTypes:\n  echo-agent:${row}${more}`

function problemsOf(text: string): string {
  const checked = checkPolicy(text)
  return checked.ok ? '' : checked.problems.join('\n')
}

void t.test('the shipped policy is accepted, with the figures of the issue', async (t) => {
  const path = join(import.meta.dirname, '../../manifests/base/agent-policy.yaml')
  const configMap = parse(await readFile(path, 'utf8')) as { metadata: object; data: Record<string, string> }
  t.match(configMap.metadata, { name: 'agent-policy', namespace: 'ai-agents' })
  const checked = checkPolicy(configMap.data['policy.yaml'] ?? '')
  if (!checked.ok) return t.fail(checked.problems.join('\n'))
  const { agentTypes, greenroomServiceAccounts } = checked.value
  t.same(Object.keys(agentTypes).toSorted(), ['default', 'echo-agent', 'stella-agent', 'stella-light'])
  t.match(agentTypes['stella-agent']?.resources, {
    requests: { cpu: '250m', memory: '512Mi' },
    limits: { cpu: '1000m', memory: '2Gi' },
  })
  t.match(agentTypes['stella-light']?.resources, {
    requests: { cpu: '100m', memory: '256Mi' },
    limits: { cpu: '500m', memory: '1Gi' },
  })
  t.match(agentTypes['echo-agent']?.probes, {
    readiness: { httpGet: { path: '/ready', port: 8080 }, initialDelaySeconds: 0, periodSeconds: 1 },
    liveness: { httpGet: { path: '/health', port: 8080 }, initialDelaySeconds: 5, periodSeconds: 10 },
  })
  for (const name of ['echo-agent', 'stella-agent', 'stella-light']) {
    t.same(agentTypes[name]?.secrets, [
      { env: 'OPENAI_API_KEY', secret: 'agent-secrets', key: 'OPENAI_API_KEY', optional: true },
    ])
  }
  t.same(greenroomServiceAccounts, ['system:serviceaccount:ai-agents:session-management-sa'])
})

void t.test('defaults are filled in at every depth', async (t) => {
  const checked = checkPolicy(
    policyWith('\n    probes: { liveness: { httpGet: { path: /health, port: 8080 } } }'),
  )
  if (!checked.ok) return t.fail(checked.problems.join('\n'))
  t.match(checked.value.defaults, {
    security: { runAsUser: 1000, runAsGroup: 1000, fsGroup: 1000 },
    tmp: { path: '/tmp', sizeLimit: '64Mi' },
    gracePeriodSeconds: 30,
    appLabel: 'conversational-ai-agent',
    automountServiceAccountToken: false,
    podSecurity: { version: 'latest' },
  })
  t.match(checked.value.agentTypes['echo-agent'], {
    secrets: [],
    env: [],
    probes: { liveness: { periodSeconds: 10, timeoutSeconds: 1, failureThreshold: 3 } },
  })
})

void t.test('what cannot be right is refused with its path', async (t) => {
  const cases: readonly (readonly [string, string, RegExp])[] = [
    ['not YAML', 'version: [', /not valid YAML/],
    ['empty', '', /\//],
    ['unknown key', policyWith('\n    colour: red'), /\/agentTypes\/echo-agent\/colour: is not a known key/],
    ['no resources', 'version: "1"\nagentTypes: { x: {} }', /\/agentTypes\/x\/resources: is missing/],
    [
      'request over limit',
      policyWith('').replace('cpu: 100m', 'cpu: 1500m'),
      /requests\/cpu: 1500m is more than the limit 1/,
    ],
    ['not a quantity', policyWith('').replace('128Mi', '128MB'), /requests\/memory: 128MB is not a quantity/],
    ['zero', policyWith('').replace('100m', '0'), /requests\/cpu: must be more than 0/],
    [
      'slow probe',
      policyWith(
        '\n    probes: { liveness: { httpGet: { path: /h, port: 1 }, timeoutSeconds: 9, periodSeconds: 5 } }',
      ),
      /timeoutSeconds: 9 is more than periodSeconds \(5\)/,
    ],
    [
      'probe path',
      policyWith('\n    probes: { liveness: { httpGet: { path: h, port: 1 } } }'),
      /httpGet\/path/,
    ],
    [
      'probe port',
      policyWith('\n    probes: { liveness: { httpGet: { path: /h, port: 0 } } }'),
      /httpGet\/port/,
    ],
    ['env name', policyWith('\n    env: [{ name: "A B", value: x }]'), /env\/0\/name/],
    [
      'env twice',
      policyWith('\n    env: [{ name: A, value: x }, { name: A, value: y }]'),
      /A is given twice/,
    ],
    [
      "Greenroom's env",
      policyWith('\n    env: [{ name: GREENROOM_X, value: x }]'),
      /set by Greenroom itself/,
    ],
    ['root', `${policyWith('')}\ndefaults: { security: { runAsUser: 0 } }`, /runAsUser/],
    ['token', `${policyWith('')}\ndefaults: { automountServiceAccountToken: true }`, /must be one of false/],
    [
      'any image',
      `${policyWith('')}\ncomponents: [{ serviceAccount: a, images: ["*"] }]`,
      /must name an image/,
    ],
    [
      'standard of tomorrow',
      `${policyWith('')}\ndefaults: { podSecurity: { version: v1.99 } }`,
      /podSecurity\/version: v1.99 is not known here; latest or v1.0 to v1.\d+$/,
    ],
    [
      'not a release',
      `${policyWith('')}\ndefaults: { podSecurity: { version: "1.36" } }`,
      /podSecurity\/version/,
    ],
    ['account', `${policyWith('')}\ngreenroomServiceAccounts: [admin]`, /greenroomServiceAccounts\/0/],
  ]
  for (const [name, text, expected] of cases) t.match(problemsOf(text), expected, name)
})

void t.test('without a document there are no agent types, and everything else is restricted', async (t) => {
  t.same(Object.keys(builtInPolicy.agentTypes), ['default'])
})

void t.test('quantities are compared by value', async (t) => {
  const same: readonly (readonly [string | number, string | number])[] = [
    ['1', '1000m'],
    [1, '1'],
    ['0.5', '500m'],
    ['1Gi', '1024Mi'],
    ['1k', '1000'],
    ['1e3', '1k'],
    ['1E', '1000P'],
    ['1.5Gi', '1536Mi'],
    ['.5', '500m'],
    ['5.', '5'],
    ['0.1n', '1n'],
    ['-1', '-1000m'],
  ]
  for (const [a, b] of same) t.equal(parseQuantity(a), parseQuantity(b), `${a} = ${b}`)
  for (const text of ['', 'm', '1MB', '1 Gi', 'Gi', '0x1', '--1', '1e', '1ki', 'NaN', '１']) {
    t.equal(parseQuantity(text), undefined, `"${text}"`)
  }
})
