import t, { type Test } from 'tap'
import { until } from '../../bed/processes/until.ts'
import type { WebhookReplicas } from '../../bed/replicas/webhook-replicas.ts'
import { makeCertificate } from '../../src/certificates/make-certificate.ts'
import { apiPath } from '../../src/cluster/api-path.ts'
import { readAdmissionCounts } from '../support/admission-counts.ts'
import { createPodDryRun, startPodStorm } from '../support/pod-storm.ts'
import { shownBy } from './replica-connections.ts'
import {
  configurationManifests,
  hourMs,
  isComplete,
  longLives,
  startCertificatesBed,
} from './webhook-certificates-bed.ts'

/**
 * Built-in certificates with the real API server as the judge: replicas of the webhook as processes of their own, with
 * the rights of the manifests, behind a balancer; the API server calls them and counts.
 */

t.setTimeout(300_000)
const bed = await startCertificatesBed(t)
const { plane, clients, transport, secret, deleteSecret, look } = bed
const { startAll, applyConfigurations, untilAdmitted, untilComplete, putDueAuthority } = bed

void t.test(
  'three replicas from nothing, before the configurations are there, one an hour behind',
  async (t) => {
    const replicas = await startAll(t, [0, 0, -hourMs], longLives)
    const pids = replicas.roles.map((role) => role.pid())
    await replicas.allReady()
    await applyConfigurations(await configurationManifests(replicas))
    await untilAdmitted()
    const { leaf } = await untilComplete(1)
    t.same(
      replicas.roles.map((role) => role.pid()),
      pids,
      'nobody crashed while there was no certificate',
    )
    for (const url of replicas.urls) t.equal(await shownBy(url), leaf?.fingerprint256, 'all show the same')
    t.ok((leaf?.validFromDate.getTime() ?? 0) <= Date.now() - hourMs, 'good for a clock an hour behind')

    const counts = await readAdmissionCounts(transport)
    const storm = startPodStorm(clients)
    await until('two hundred pods', () => storm.created() >= 200, 60_000)
    t.same(await storm.stop(), [], 'the replica that is behind serves like the others')
    t.ok(replicas.urls.every((url) => replicas.balancer.accepted(url) > 0))
    t.same((await readAdmissionCounts(transport)).others, counts.others)

    const { data } = await secret.read()
    t.same(Object.keys(data).toSorted(), ['ca.crt', 'ca.key', 'superseded.json', 'tls.crt', 'tls.key'])
    const writes = (await plane.writes()).filter(({ user }) => user.endsWith(':agent-webhook'))
    const refused = writes.filter(({ code }) => code === 403)
    t.same(refused, [], 'the rights of the manifests are enough')
    t.same([...new Set(writes.map(({ resource }) => resource))].toSorted(), [
      // The policy that it accepted.
      'configmaps',
      'leases',
      'mutatingwebhookconfigurations',
      'secrets',
      'validatingwebhookconfigurations',
    ])
    await faultsUnderStorm(t, replicas)
  },
)

/** Damages the Secret in several ways under a storm: no admission fails, and all is well again afterwards. */
async function faultsUnderStorm(t: Test, replicas: WebhookReplicas): Promise<void> {
  const before = await readAdmissionCounts(transport)
  const storm = startPodStorm(clients)

  const first = await untilComplete(1)
  const other = await makeCertificate({
    kind: 'authority',
    name: 'stranger',
    notBeforeMs: Date.now() - hourMs,
    notAfterMs: Date.now() + hourMs,
  })
  const half = async (key: string, text: string) => {
    const { data, version } = await secret.read()
    await secret.write({ ...data, [key]: text }, version)
  }
  await half('tls.key', other.key)
  const second = await until('another leaf', async () => {
    const seen = await look()
    return seen.leaf?.fingerprint256 !== first.leaf?.fingerprint256 && isComplete(seen, 1) ? seen : undefined
  })
  t.equal(second.ca?.fingerprint256, first.ca?.fingerprint256, 'a half-written pair costs a leaf, not the CA')

  await deleteSecret()
  const third = await untilComplete(2)
  t.not(third.ca?.fingerprint256, first.ca?.fingerprint256)
  t.equal(third.bundles[0]?.[1]?.fingerprint256, first.ca?.fingerprint256, 'the CA of what was served stays')

  await half('ca.key', 'rubbish')
  await until('a third CA', async () => {
    const seen = await look()
    return seen.ca?.fingerprint256 !== third.ca?.fingerprint256 && isComplete(seen, 3) ? seen : undefined
  })
  await until('every replica with the newest leaf', async () => {
    const { leaf } = await look()
    const shown = await Promise.all(replicas.urls.map(shownBy))
    return shown.every((fingerprint) => fingerprint === leaf?.fingerprint256)
  })
  t.same(await storm.stop(), [])
  const after = await readAdmissionCounts(transport)
  t.same(after.others, before.others)
  t.equal(after.rejections, before.rejections)
  t.equal(after.failOpen, before.failOpen)
  t.ok(after.admitted > before.admitted)

  const emptied = await configurationManifests(replicas)
  for (const { webhooks } of emptied) for (const { clientConfig } of webhooks) clientConfig.caBundle = ''
  await applyConfigurations(emptied)
  await untilAdmitted()
  t.ok(isComplete(await look(), 3), 'an emptied bundle is written again')
}

void t.test('a leader killed between the new CA and its leaf, and before the old CA is gone', async (t) => {
  await putDueAuthority()
  const due = await look()
  const replicas = await startAll(t, [0, 0, 0], { ...longLives, GREENROOM_WEBHOOK_TRUST_SECONDS: '5' })
  await replicas.allReady()
  await applyConfigurations(await configurationManifests(replicas))
  await untilAdmitted()
  const leader = await replicas.leader()
  const published = await until('the new CA in every bundle, the old leaf in use', async () => {
    const seen = await look()
    return seen.bundles.every((bundle) => bundle.length === 2) &&
      seen.leaf?.fingerprint256 === due.leaf?.fingerprint256
      ? seen
      : undefined
  })
  const restarted = leader.restart('SIGKILL')
  t.not(published.ca?.fingerprint256, due.ca?.fingerprint256)
  const healed = await untilComplete(2, 60_000)
  t.equal(healed.ca?.fingerprint256, published.ca?.fingerprint256, 'the next leader goes on with the same CA')
  await restarted
  t.equal(await createPodDryRun(clients), '')

  // As if the last leaf of the old CA had expired by now: the clean-up is what is left.
  const next = await replicas.leader()
  const { data, version } = await secret.read()
  const superseded = JSON.parse(data['superseded.json'] ?? '[]') as { until: string }[]
  t.equal(superseded.length, 1)
  const gone = next.restart('SIGKILL')
  const past = superseded.map((entry) => ({ ...entry, until: new Date(Date.now() - 1_000).toISOString() }))
  await secret.write({ ...data, 'superseded.json': JSON.stringify(past) }, version)
  await untilComplete(1, 60_000)
  await until(
    'the record of it to go too',
    async () => (await secret.read()).data['superseded.json'] === '[]',
  )
  await gone
  await untilAdmitted()
})

for (const clockMs of [hourMs - 60_000, -hourMs]) {
  void t.test(
    `certificates of a replica whose clock is off by ${clockMs / 60_000} minutes are taken`,
    async (t) => {
      const replicas = await startAll(t, [clockMs], longLives)
      await replicas.allReady()
      await applyConfigurations(await configurationManifests(replicas))
      await untilAdmitted()
      t.ok(isComplete(await look(), 1))
    },
  )
}

void t.test(
  'the API server keeps everything of an entry but its bundle under its own managers',
  async (t) => {
    const replicas = await startAll(t, [0], longLives)
    await applyConfigurations(await configurationManifests(replicas))
    await untilAdmitted()
    interface Managed {
      readonly metadata: {
        readonly managedFields: { manager: string; operation: string; fieldsV1: { 'f:webhooks'?: object } }[]
      }
    }
    for (const kind of ['mutating', 'validating'] as const) {
      const path = apiPath({ resource: `${kind}webhookconfigurations`, name: 'agent-webhook' })
      const { metadata } = await transport.getJson<Managed>(path)
      const ours = metadata.managedFields.find(({ manager }) => manager === 'greenroom-webhook-certificates')
      t.equal(ours?.operation, 'Apply')
      for (const fields of Object.values(ours?.fieldsV1['f:webhooks'] ?? {})) {
        t.same(fields, { '.': {}, 'f:clientConfig': { 'f:caBundle': {} }, 'f:name': {} })
      }
    }
  },
)
