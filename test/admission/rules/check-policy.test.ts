import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { parse } from 'yaml'
import { effectiveRow } from '../../../src/admission/policy/effective-row.ts'
import { builtInPolicy, checkPolicy } from '../../../src/admission/rules/check-policy.ts'
import { parseQuantity } from '../../../src/domain/quantity.ts'

const row = `
    resources:
      requests: { cpu: 100m, memory: 128Mi }
      limits: { cpu: 1, memory: 1Gi }`

const policyWith = (more: string): string => `version: "1"\nagentTypes:\n  echo-agent:${row}${more}`

void t.test('the shipped policy is accepted, with the figures of the issue', async (t) => {
  const path = join(import.meta.dirname, '../../../manifests/base/agent-policy.yaml')
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
    securityContext: { runAsUser: 1000, runAsGroup: 1000, fsGroup: 1000 },
    writablePaths: [{ path: '/tmp', sizeLimit: '64Mi' }],
    emptyDirSizeLimit: '256Mi',
    gracePeriodSeconds: 30,
    appLabel: 'conversational-ai-agent',
    automountServiceAccountToken: false,
    podSecurity: { version: 'latest' },
  })
  t.match(checked.value.agentTypes['echo-agent'], {
    probes: { liveness: { periodSeconds: 10, timeoutSeconds: 1, failureThreshold: 3 } },
  })
})

void t.test('a row that says nothing has everything from the defaults', (t) => {
  const defaults = {
    gracePeriodSeconds: 61,
    emptyDirSizeLimit: '1Gi',
    appLabel: 'other',
    volumeKinds: ['emptyDir'],
    env: [{ name: 'A', value: 'b' }],
    tolerations: [{ key: 'k', operator: 'Exists' }],
    writablePaths: [{ path: '/work', sizeLimit: '1Gi' }],
    securityContext: { runAsUser: 5, runAsGroup: 6, fsGroup: 7 },
    nodeAffinity: [{ key: 'zone', operator: 'Exists' }],
    runtimeClassName: 'gvisor',
    priorityClassName: 'agents',
    serviceAccountName: 'agent',
    allowedSecrets: ['some-*'],
    secretsFor: 'pools',
    images: { allowed: ['registry.example.com/agents/*'] },
    commands: [{ args: ['serve'] }],
    maxContainers: 3,
    ephemeralClaims: { maxSize: '1Gi', storageClasses: ['fast'] },
    allowedTolerations: [{ key: 'l', operator: 'Exists' }],
  }
  const resources = { requests: { cpu: 1, memory: '1Gi' }, limits: { cpu: 1, memory: '1Gi' } }
  const checked = checkPolicy(JSON.stringify({ version: '1', defaults, agentTypes: { bare: { resources } } }))
  if (!checked.ok) throw new Error(checked.problems.join('\n'))
  t.match(effectiveRow('bare', checked.value), defaults)
  t.end()
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
