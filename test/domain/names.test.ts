import t from 'tap'
import * as names from '../../src/domain/names.ts'

void t.test('the public names, letter by letter: manifests, clients and people rely on them', async (t) => {
  const { agentIdentity, agentOf, ...constants } = names
  t.equal(agentIdentity('s-1', 2), 'agent-s-1-2')
  const sessionId = '0198c0de-0000-7000-8000-000000000001'
  t.strictSame(agentOf(agentIdentity(sessionId, 12)), { sessionId, epoch: 12 })
  for (const other of ['', 'ann', `agent-${sessionId}`, `agent-${sessionId}-0`, `x-agent-${sessionId}-1`])
    t.equal(agentOf(other), undefined, other)
  t.strictSame(constants, {
    label: {
      app: 'app',
      agentType: 'agent-type',
      session: 'session',
      managed: 'greenroom.dev/managed',
      pool: 'greenroom.dev/pool',
      state: 'greenroom.dev/state',
      component: 'greenroom.dev/component',
    },
    annotation: {
      templateHash: 'greenroom.dev/template-hash',
      assignKeyIds: 'greenroom.dev/assign-key-ids',
      failure: 'greenroom.dev/failure',
      policyVersion: 'greenroom.dev/policy-version',
      policyDigest: 'greenroom.dev/policy-digest',
      explain: 'greenroom.dev/explain',
      mirror: 'kubernetes.io/config.mirror',
    },
    ownedPrefix: 'greenroom.dev/',
    defaultAppLabel: 'conversational-ai-agent',
    agentsNamespaceLabel: 'greenroom.dev/agents',
    controllerLeaseName: 'greenroom-controller',
    webhookNamespace: 'greenroom-system',
    webhookName: 'agent-webhook',
    webhookCertificatesName: 'agent-webhook-certificates',
    webhookUsername: 'system:serviceaccount:greenroom-system:agent-webhook',
    configMapName: {
      pools: 'agent-pools',
      poolsAccepted: 'agent-pools-accepted',
      policy: 'agent-policy',
      policyAccepted: 'agent-policy-accepted',
      assignKeys: 'greenroom-assign-keys',
    },
    configMapKey: { pools: 'pools.yaml', policy: 'policy.yaml', assignKeys: 'keys.json' },
    agentContainerName: 'agent',
    agentPort: 8080,
    agentEnv: {
      assignKeys: 'GREENROOM_ASSIGN_KEYS',
      podUid: 'GREENROOM_POD_UID',
      podName: 'GREENROOM_POD_NAME',
      podIp: 'GREENROOM_POD_IP',
      agentType: 'GREENROOM_AGENT_TYPE',
    },
  })
})

void t.test('labels and annotations are valid Kubernetes keys', async (t) => {
  for (const key of [...Object.values(names.label), ...Object.values(names.annotation)]) {
    t.match(key, /^([a-z0-9]([-a-z0-9.]*[a-z0-9])?\/)?[a-z0-9]([-_.a-z0-9]{0,61}[a-z0-9])?$/)
  }
})
