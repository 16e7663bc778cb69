import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { stringify } from 'yaml'
import { until } from '../../bed/processes/until.ts'
import { greenroomUser } from '../admission/pod-samples.ts'
import { grant } from './admission-bed.ts'
import {
  configMap,
  namespace,
  passes,
  policyText,
  refused,
  startGuardBed,
  versioned,
} from './admission-guard-bed.ts'
import { restrictedPod } from './admission-pods.ts'
import { podSpec, workload, workloads } from './template-owners.ts'

/** The guards of what the policy rests on: the webhook's own process, its rights, and the entries of the manifests. */

// Some eighty starts of kubectl, and the webhook's process four times.
t.setTimeout(240_000)
const bed = await startGuardBed(t)
const { plane, core, folder, startWebhook, stopWebhook, kubectlAs } = bed
const { applied, policy, pools, reviews, unowned, untilKept, versionInForce } = bed
const configMaps = {
  apiGroups: [''],
  resources: ['configmaps'],
  verbs: ['get', 'list', 'create', 'update', 'patch', 'delete', 'deletecollection'],
}
const namespaces = {
  apiGroups: [''],
  resources: ['namespaces', 'namespaces/status', 'namespaces/finalize'],
  verbs: ['get', 'list', 'update', 'patch'],
}
await grant(plane, 'alice', [configMaps, namespaces])
const appliedBy = (user: string, object: object) =>
  kubectlAs(user, ['apply', '--server-side', '--force-conflicts', '-f', '-'], stringify(object))

void t.test('installed in the order: pools, webhook, policy', async (t) => {
  passes(t, await pools(2, 10))
  await startWebhook()
  t.equal(await versionInForce(), 'built-in')
  passes(t, await pools(2, 9), /Warning: .*agent-policy in force \(version built-in\) has no row echo-agent/)
  // Nobody owns what was never there. She is warned that she cannot take it back.
  const first = await appliedBy('alice', configMap('agent-policy', { 'policy.yaml': policyText }))
  passes(t, first, /Warning: .*policyOwners: does not name you \(user "alice"\); once this is in force/)
  await until('in force', async () => (await versionInForce()) === '1')
  await untilKept('1')
})

void t.test('installed in the order: policy, webhook, pools', async (t) => {
  await stopWebhook()
  for (const name of ['agent-pools', 'agent-policy', 'agent-policy-accepted']) {
    const remove = () => core.deleteNamespacedConfigMap({ namespace, name })
    await (name === 'agent-pools' ? remove() : unowned(remove))
  }
  await unowned(async () => {
    const { code, stderr } = await policy(versioned('2'))
    if (code !== 0) throw new Error(stderr)
  })
  await startWebhook()
  t.equal(await versionInForce(), '2')
  await untilKept('2')
  passes(t, await pools(2, 10))
})

void t.test(
  'an edit is refused with path and allowed values, and warned of where it may be a slip',
  async (t) => {
    refused(
      t,
      await pools(5, 2),
      /denied the request: GRN_INVALID_POOLS: pools\.yaml \/pools\/echo-agent\/min: 5 is more/,
    )
    refused(
      t,
      await policy(`${versioned('3')}\n    modee: x\n`.replace('    modee', 'modee')),
      /GRN_INVALID_POLICY: policy\.yaml \/modee: is not a known key; known: version, defaults/,
    )
    refused(t, await applied(configMap('agent-policy', { 'policy.yml': policyText })), /data\[policy\.yaml\]/)
    passes(t, await pools(11, 20), /min: 2 → 11 is a jump of more than 5x/)
    // 10 requests.cpu, 20 limits.cpu, 40Gi: an echo-agent takes 250m and 512Mi of the limits; the tightest is pods.
    await until('the pools are seen', async () =>
      (await pools(11, 60)).stderr.includes('allows pods 50: at most 50 fit'),
    )
    const range = {
      apiVersion: 'v1',
      kind: 'LimitRange',
      metadata: { name: 'narrow', namespace },
      spec: { limits: [{ type: 'Container', maxLimitRequestRatio: { cpu: '4' }, max: { memory: '1Gi' } }] },
    }
    passes(t, await applied(range))
    const broken =
      /echo-agent\/resources\/cpu: LimitRange narrow refuses every container with it: its limit 250m is more than 4 times/
    await until('the limit range is seen', async () => broken.test((await pools(3, 13)).stderr))
    passes(
      t,
      await policy(versioned('2').replace('gracePeriodSeconds: 30', 'gracePeriodSeconds: 31')),
      broken,
    )
    passes(
      t,
      await policy(versioned('2')),
      /stella-agent\/resources\/memory: LimitRange narrow refuses .* its limit 2Gi is more than max 1Gi/,
    )
    await core.deleteNamespacedLimitRange({ namespace, name: 'narrow' })
    await until('the limit range is gone', async () => !broken.test((await pools(3, 12)).stderr))
    passes(t, await pools(3, 12))
    t.equal(await versionInForce(), '2', 'what was refused changed nothing')
  },
)

void t.test("what is kept is Greenroom's, and comes back", async (t) => {
  const forge = ['patch', 'configmap', 'agent-policy-accepted', '-n', namespace, '--type=merge']
  const value = JSON.stringify({ data: { 'policy.yaml': policyText } })
  refused(t, await plane.kubectl([...forge, `-p=${value}`]), /GRN_DOCUMENT_OWNERSHIP/)
  const labelled = JSON.stringify({ metadata: { labels: { team: 'a' } } })
  passes(t, await plane.kubectl([...forge, `-p=${labelled}`]))
  passes(
    t,
    await plane.kubectl(['delete', 'configmap', 'agent-policy-accepted', '-n', namespace]),
    /Warning: .*writes it again/,
  )
  await untilKept('2')
  const server = await kubectlAs(greenroomUser, [...forge, `-p=${value}`])
  refused(t, server, /cannot patch resource "configmaps"/)
})

void t.test('deleting a document, also with all others, is a warning and changes nothing', async (t) => {
  const all = ['delete', 'configmaps', '--all', '-n', namespace]
  passes(
    t,
    await plane.kubectl(all),
    /ConfigMap agent-policy is deleted, but the document that was last accepted stays in force/,
  )
  await untilKept('2')
  t.equal(await versionInForce(), '2')
  passes(t, await policy(versioned('2')))
})

void t.test('no other ConfigMap is ever asked about, nor the same names elsewhere', async (t) => {
  // The webhook's own writes are asked about; the last one must be through.
  await until('what is kept is of the version that is there', async () => {
    const [document, copy] = await Promise.all(
      ['agent-policy', 'agent-policy-accepted'].map((name) =>
        core.readNamespacedConfigMap({ namespace, name }),
      ),
    )
    const version = copy?.metadata?.annotations?.['greenroom.dev/source-resource-version']
    return version === document?.metadata?.resourceVersion
  })
  const asked = async () => (await reviews('validate-config')) + (await reviews('validate-owner'))
  const before = await asked()
  const other = configMap('other', { 'policy.yaml': 'x' })
  passes(t, await applied(other))
  passes(
    t,
    await applied({
      ...configMap('agent-policy', {}),
      metadata: { name: 'agent-policy', namespace: 'default' },
    }),
  )
  t.equal(await asked(), before)
})

void t.test('what the policy rests on is written by policyOwners alone', async (t) => {
  const keys = (text: string) => configMap('greenroom-assign-keys', { 'keys.json': text })
  passes(t, await applied(keys('{"keys":[]}')))
  const own = configMap('agent-policy', { 'policy.yaml': versioned('2').replace('greenroom:*', 'evil:*') })
  const merge = (name: string, data: object) =>
    kubectlAs('alice', [
      'patch',
      'cm',
      name,
      '-n',
      namespace,
      '--type=merge',
      `-p=${JSON.stringify({ data })}`,
    ])
  const all = `/api/v1/namespaces/${namespace}/configmaps?fieldSelector=metadata.name%3D`
  const refusals = [
    () => appliedBy('alice', own),
    () => merge('agent-policy', own.data),
    () => appliedBy('alice', keys('{"keys":[{}]}')),
    () => merge('greenroom-assign-keys', { more: 'x' }),
    () => merge('agent-policy-accepted', own.data),
    ...['agent-policy', 'greenroom-assign-keys', 'agent-policy-accepted'].flatMap((name) => [
      () => kubectlAs('alice', ['delete', 'cm', name, '-n', namespace]),
      () => kubectlAs('alice', ['delete', '--raw', `${all}${name}`]),
    ]),
  ]
  for (const refusal of refusals)
    refused(t, await refusal(), /owners\.agents\.greenroom\.dev.*GRN_DOCUMENT_OWNERSHIP/)
  passes(t, await kubectlAs('alice', ['label', 'cm', 'agent-policy', '-n', namespace, 'team=blue']))
  const poolsOfAlice = configMap('agent-pools', { 'pools.yaml': 'pools: {}' })
  passes(t, await appliedBy('alice', poolsOfAlice), /Warning: .*echo-agent: is removed/)
  t.equal(await versionInForce(), '2')

  const ownedBy = (version: string, owners: string) =>
    versioned(version).replace(/policyOwners:\n {2}groups: .*\n/, `policyOwners: { ${owners} }\n`)
  refused(
    t,
    await policy(ownedBy('2b', 'groups: [], users: [sec-lead]')),
    /without you \(user "envtest-admin"\)/,
  )
  passes(t, await policy(ownedBy('2b', 'users: [alice]')))
  await until('in force', async () => (await versionInForce()) === '2b')
  passes(t, await appliedBy('alice', keys('{"keys":[ ]}')))
  passes(
    t,
    await appliedBy('alice', configMap('agent-policy', { 'policy.yaml': ownedBy('2c', 'users: [alice]') })),
  )
  await untilKept('2c')
  passes(t, await policy(versioned('2')))
  await untilKept('2')
  await until('in force', async () => (await versionInForce()) === '2')
})

void t.test('the controller may remove an old public key, and neither add nor change one', async (t) => {
  const key = (kid: string) => ({ kty: 'OKP', crv: 'Ed25519', kid, x: kid.padEnd(43, 'A') })
  const keys = (...kids: string[]) =>
    configMap('greenroom-assign-keys', { 'keys.json': JSON.stringify({ keys: kids.map(key) }) })
  passes(t, await applied(keys('k3', 'k2', 'k1')))
  // With the rights of the manifests.
  const replaced = (object: object) => kubectlAs(greenroomUser, ['replace', '-f', '-'], stringify(object))
  const isRefused = /owners\.agents\.greenroom\.dev.*GRN_DOCUMENT_OWNERSHIP.*without some of its old keys/
  for (const kids of [
    ['evil', 'k3', 'k2', 'k1'],
    ['k3', 'k2', 'k1', 'evil'],
    ['k2', 'k1'],
    ['k3', 'k1', 'k2'],
  ])
    refused(t, await replaced(keys(...kids)), isRefused)
  refused(t, await replaced(configMap('agent-policy', { 'policy.yaml': 'x' })), /cannot update resource/)
  const remove = ['delete', 'cm', 'greenroom-assign-keys', '-n', namespace]
  refused(t, await kubectlAs(greenroomUser, remove), /cannot delete resource/)
  passes(t, await replaced(keys('k3', 'k1')))
  refused(t, await replaced(keys('k3', 'k2', 'k1')), isRefused)
})

void t.test(
  'written while the webhook was down: what was accepted stays in force over the restart',
  async (t) => {
    await stopWebhook()
    refused(t, await policy('version: "4"'), /failed calling webhook "owners\.agents/)
    const controller = 'system:serviceaccount:kube-system:namespace-controller'
    await grant(plane, controller, [configMaps])
    const dry = ['delete', 'cm', 'agent-policy', '-n', namespace, '--dry-run=server']
    passes(t, await kubectlAs(controller, dry))
    refused(t, await plane.kubectl(dry), /failed calling webhook "owners\.agents/)
    await unowned(async () => {
      const { code, stderr } = await policy('version: "4"')
      if (code !== 0) throw new Error(stderr)
    })
    await startWebhook()
    t.equal(await versionInForce(), '2')
    await core.deleteNamespacedConfigMap({ namespace, name: 'agent-policy-accepted' })
    await untilKept('2')
    passes(t, await policy(versioned('5')))
    await untilKept('5')
    await until('in force', async () => (await versionInForce()) === '5')
    // The kept copy disappears while no webhook runs.
    await stopWebhook()
    await unowned(() => core.deleteNamespacedConfigMap({ namespace, name: 'agent-policy-accepted' }))
    await startWebhook()
    t.equal(await versionInForce(), '5')
    await untilKept('5')
  },
)

void t.test('workloads of every kind get warnings, and are never refused', async (t) => {
  for (const object of workloads({ ...podSpec, hostNetwork: true })) {
    const place = object.kind === 'PodTemplate' ? 'template' : 'spec\\..*template'
    passes(
      t,
      await applied(object),
      new RegExp(`Warning: its pods would be denied: GRN_POLICY_VIOLATION: ${place}\\.spec\\.hostNetwork`),
    )
  }
  const fine = workload('apps/v1', 'Deployment')
  passes(t, await applied(fine), /Warning: its pods will be changed at .*securityContext/)
  const scaled = await plane.kubectl(['annotate', 'deployment', 'w-deployment', '-n', namespace, 'a=b'])
  t.notMatch(scaled.stderr, /its pods/)
  const owned = workload('apps/v1', 'ReplicaSet')
  const owner = { apiVersion: 'apps/v1', kind: 'Deployment', name: 'd', uid: 'u-1', controller: true }
  const before = await reviews('warn-templates')
  const made = await applied({
    ...owned,
    metadata: { ...owned.metadata, name: 'owned', ownerReferences: [owner] },
  })
  t.notMatch(made.stderr, /its pods/)
  t.equal(await reviews('warn-templates'), before, "a controller's own work is not asked about")
})

const remove = ['label', 'namespace', namespace, 'greenroom.dev/agents-']
const rawNamespace = (subresource: string, user: string) =>
  plane.kubectl(['get', 'namespace', namespace, '-o', 'json']).then(async ({ stdout }) => {
    const object = JSON.parse(stdout) as { metadata: { labels: Record<string, string> } }
    delete object.metadata.labels['greenroom.dev/agents']
    const path = join(folder.path, 'namespace.json')
    await writeFile(path, JSON.stringify(object))
    return kubectlAs(user, ['replace', '--raw', `/api/v1/namespaces/${namespace}${subresource}`, '-f', path])
  })

void t.test('the label of a namespace goes only by its owners, whatever the way', async (t) => {
  await grant(plane, 'sec-team', [namespaces])
  refused(t, await kubectlAs('alice', remove), /GRN_NAMESPACE_OWNERSHIP.*removed.*group system:masters/)
  for (const subresource of ['', '/status', '/finalize']) {
    refused(t, await rawNamespace(subresource, 'alice'), /GRN_NAMESPACE_OWNERSHIP/)
  }
  refused(
    t,
    await kubectlAs('alice', ['label', 'namespace', namespace, '--overwrite', 'greenroom.dev/agents=off']),
    /changed to "off"/,
  )
  passes(t, await kubectlAs('alice', ['label', 'namespace', namespace, 'team=blue']))
  passes(t, await kubectlAs('alice', ['label', 'namespace', 'default', 'greenroom.dev/agents=enabled']))
  refused(
    t,
    await kubectlAs('alice', ['label', 'namespace', 'default', 'greenroom.dev/agents-']),
    /GRN_NAMESPACE/,
  )
  passes(t, await plane.kubectl(['label', 'namespace', 'default', 'greenroom.dev/agents-']))
  refused(t, await kubectlAs('sec-team', remove), /GRN_NAMESPACE_OWNERSHIP/)
  passes(t, await policy(`${versioned('6')}\nnamespaceOwners: { users: [sec-team] }\n`))
  await until('in force', async () => (await versionInForce()) === '6')
  passes(t, await kubectlAs('sec-team', remove))
  passes(t, await kubectlAs('alice', ['label', 'namespace', namespace, 'greenroom.dev/agents=enabled']))
})

void t.test('a mirror pod of a node passes; the annotation buys nobody else anything', async (t) => {
  await plane.createNamespace('edge', { 'greenroom.dev/agents': 'enabled' })
  const pods = [{ apiGroups: [''], resources: ['pods'], verbs: ['create', 'get', 'patch'] }]
  for (const user of ['system:node:local', 'bob']) await grant(plane, user, pods)
  const pod = (name: string) =>
    stringify({
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: { name, namespace: 'edge', annotations: { 'kubernetes.io/config.mirror': 'hash' } },
      spec: {
        nodeName: 'local',
        hostNetwork: true,
        enableServiceLinks: false,
        containers: podSpec.containers,
      },
    })
  const node = await plane.kubeconfigFor('system:node:local', ['system:nodes'])
  const mirror = await plane.kubectl(['create', '-f', '-'], { kubeconfig: node, input: pod('mirror') })
  passes(t, mirror)
  const found = await core.readNamespacedPod({ namespace: 'edge', name: 'mirror' })
  t.equal(found.spec?.hostNetwork, true)
  t.notOk(found.metadata?.annotations?.['greenroom.dev/policy-version'], 'untouched')
  refused(
    t,
    await kubectlAs('bob', ['create', '-f', '-'], pod('forged')),
    /GRN_POLICY_VIOLATION.*hostNetwork/,
  )
})

void t.test('while the webhook is down, nothing that it does not judge is held up', async (t) => {
  await stopWebhook()
  // Even labelled by mistake, where the webhook lives is never judged: it could not start again.
  passes(t, await plane.kubectl(['label', 'namespace', 'greenroom-system', 'greenroom.dev/agents=enabled']))
  for (const at of ['greenroom-system', 'kube-system', 'default']) {
    await plane.createNamespace(at)
    t.ok(await core.createNamespacedPod({ namespace: at, body: restrictedPod('own-') }), at)
  }
  refused(
    t,
    await plane.kubectl(['run', 'x', '--image=x:1', '-n', namespace]),
    /failed calling webhook "harden/,
  )
  refused(t, await plane.kubectl(remove), /failed calling webhook "namespaces\.agents/)
  passes(t, await plane.kubectl(['label', 'namespace', namespace, 'team-']))
  passes(t, await applied(workload('apps/v1', 'Deployment', { replicas: 2 })))
  refused(t, await policy(versioned('7')), /failed calling webhook "owners\.agents/)
  passes(t, await pools(3, 12))
})
