import t from 'tap'
import { until } from '../../bed/processes/until.ts'
import { readAdmissionCounts } from '../support/admission-counts.ts'
import { startPodStorm } from '../support/pod-storm.ts'
import { keptConnection } from './replica-connections.ts'
import { configurationManifests, isComplete, startCertificatesBed } from './webhook-certificates-bed.ts'

/** A whole life of a leaf and of its CA, with the API server calling all the while: it lasts as long as they do. */

t.setTimeout(400_000)
const bed = await startCertificatesBed(t)
const { clients, transport, look, startAll, applyConfigurations, untilAdmitted, untilComplete } = bed

void t.test('leaf and CA rotate under a storm of pods without one failed admission', async (t) => {
  const replicas = await startAll(t, [0, 0, 0], {
    // Renewed after two thirds of its life; the replicas have the last third to take it, and look ten times in it. The
    // authority is due at 50 s, between two leaves: a machine that is busy has 16 s for its trust and a leaf of it.
    GREENROOM_WEBHOOK_CA_SECONDS: '75',
    GREENROOM_WEBHOOK_LEAF_SECONDS: '22',
    GREENROOM_WEBHOOK_TRUST_SECONDS: '2',
  })
  await applyConfigurations(await configurationManifests(replicas))
  await replicas.allReady()
  await untilAdmitted()
  const first = await untilComplete(1)
  const before = await readAdmissionCounts(transport)
  const storm = startPodStorm(clients)
  const kept = replicas.urls.map(keptConnection)
  for (const connection of kept) t.equal(await connection.ask(), 200)

  const renewed = await until(
    'a renewed leaf',
    async () => {
      const seen = await look()
      return seen.leaf?.fingerprint256 !== first.leaf?.fingerprint256 && isComplete(seen, 1)
        ? seen
        : undefined
    },
    60_000,
  )
  t.equal(renewed.ca?.fingerprint256, first.ca?.fingerprint256)
  const rotated = await untilComplete(2, 90_000)
  t.not(rotated.ca?.fingerprint256, first.ca?.fingerprint256)
  t.equal(rotated.bundles[0]?.[1]?.fingerprint256, first.ca?.fingerprint256, '[new CA, old CA]')
  const cleaned = await untilComplete(1, 60_000)
  t.equal(
    cleaned.ca?.fingerprint256,
    rotated.ca?.fingerprint256,
    'the old CA goes when its last leaf has expired',
  )

  for (const connection of kept) {
    t.equal(await connection.ask(), 200)
    t.equal(connection.sockets(), 1, 'on the same connection as at the beginning')
    connection.close()
  }
  const created = storm.created()
  t.same(await storm.stop(), [])
  const after = await readAdmissionCounts(transport)
  t.same(after.others, before.others, 'no call was refused or failed')
  t.equal(after.rejections, before.rejections)
  t.equal(after.failOpen, before.failOpen)
  t.ok(after.admitted - before.admitted >= created, `${created} pods`)
  t.comment(`${created} pods were admitted over the rotations, ${after.admitted - before.admitted} reviews`)
})
