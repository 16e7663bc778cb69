import { randomBytes } from 'node:crypto'
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { until } from '../../../bed/processes/until.ts'
import { chart } from '../../../bed/servers/helm.ts'
import { provideHelm } from '../../../bed/set-up/provide-helm.ts'
import { createHistory } from '../../support/history.ts'
import {
  helmOf,
  imagesOf,
  patiently,
  type RunHelm,
  removeRelease,
  stocked,
  valuesFor,
  withinMs,
} from '../chart-release.ts'
import type { Cluster } from '../cluster.ts'
import { applySecrets, namespace, refuseToOverwrite, systemNamespace, uninstall } from '../installation.ts'
import { script } from '../one-node-cluster.ts'
import { checksOf } from '../rolling-restart-checks.ts'
import { exchangeTable, failureLines } from '../run-report.ts'
import { provideStores, type RunStores } from '../run-stores.ts'
import { type Bench, expect, type Scenario } from '../scenario.ts'
import { startServiceLoad } from '../service-load.ts'
import { clusterUrl, replicas, untilOldOnesAreGone } from '../session-servers.ts'

/**
 * The upgrade of docs/operate/helm.md whose policy has a key that only the next version knows: at once it is refused and
 * rolled back; in two steps, webhook first, it goes through under load. The next version is this one with that key.
 */
export const chartWebhookFirst: Scenario = {
  name: 'chart-webhook-first',
  shows:
    'an upgrade of the chart whose policy the old webhook does not know: refused at once, done in two steps',
  async run(bench) {
    const { cluster, check, folder, hostAddress, kubeconfig, load, say } = bench
    if (!load) return say('not run: it needs two versions of the image, and one was given')
    await refuseToOverwrite(cluster)
    const next = await nextVersion(bench)
    await load(next.archive)
    const run = helmOf(await provideHelm(say), folder, kubeconfig)
    const stores = await provideStores({ hostAddress })
    const apiKey = randomBytes(24).toString('hex')
    try {
      await cluster.run(['create', 'namespace', namespace])
      await applySecrets({ cluster, stores, apiKey })
      const installed = ['install', 'greenroom', chart, ...valuesFor(bench.image), '--take-ownership']
      await run([...installed, ...patiently])
      const url = await clusterUrl(cluster)
      await check('the pool fills', () => stocked(url, apiKey))
      await check('in one step: the old webhook refuses the policy, and Helm rolls everything back', () =>
        refusedAtOnce(bench, run, next.image),
      )
      await check('the pool is full again', () => stocked(url, apiKey))
      await inTwoSteps({ bench, run, next: next.image, stores, url, apiKey })
    } catch (error) {
      say((await cluster.kubectl(['get', 'pods', '-A', '-o', 'wide'])).stdout)
      throw error
    } finally {
      await removeRelease(run)
      await uninstall(cluster)
      await stores.stop()
    }
  },
}

const newKey = 'keyOfTheNextVersion'
/** A chart of that version would have the key in its schema. */
const withNewKey = ['--set', `policy.${newKey}=yes`, '--skip-schema-validation'] as const

/** The sources in the image are what runs, so one line more is another version. */
async function nextVersion({ folder, image }: Bench): Promise<{ image: string; archive: string }> {
  const context = join(folder, 'next')
  await mkdir(context)
  const document = 'src/admission/policy/policy-document.ts'
  const line = `    ${newKey}: Type.Optional(Type.String()),`
  const lines = [
    `FROM localhost/${image}`,
    'USER 0',
    `RUN sed -i 's/^    rollout: Rollout,$/&\\n${line}/' ${document} && grep -q ${newKey} ${document}`,
    'USER 1000',
  ]
  await writeFile(join(context, 'Dockerfile'), `${lines.join('\n')}\n`)
  const next = { image: `${image}-next`, archive: join(folder, 'next.tar') }
  await script('build-image', [next.image, context, next.archive, '--', '--quiet'])
  return next
}

/** Helm goes on after an object that is refused: without the flag, webhook and session servers would be the next ones. */
async function refusedAtOnce({ cluster, image }: Bench, run: RunHelm, next: string): Promise<string> {
  const flags = [...withNewKey, '--rollback-on-failure', ...patiently]
  const said = await run(['upgrade', 'greenroom', chart, ...valuesFor(next), ...flags]).then(
    () => 'it went through',
    (error: Error) => error.message,
  )
  expect(said.includes(newKey) && said.includes('denied the request'), said)
  const isBack = async (place?: typeof webhook) => (await imagesOf(cluster, place)) === image
  await until('the images from before', async () => (await isBack()) && (await isBack(webhook)), withinMs)
  return said.split('\n').find((line) => line.includes(newKey)) ?? said
}

/** Of the session servers: another one with every change of their Deployment. */
async function generations({ run }: Cluster): Promise<string> {
  const path = 'jsonpath={range .items[*]}{.metadata.name} {.metadata.generation} {end}'
  return run(['get', 'deployments', '-n', namespace, '-o', path])
}

interface Upgrade {
  readonly bench: Bench
  readonly run: RunHelm
  readonly next: string
  readonly stores: RunStores
  readonly url: string
  readonly apiKey: string
}

async function inTwoSteps({ bench, run, next, stores, url, apiKey }: Upgrade): Promise<void> {
  const { check, cluster, image, kubeconfig, say } = bench
  const history = createHistory()
  const before = await replicas(cluster)
  const load = await startServiceLoad({ url, apiKey, history })
  try {
    await check('first the webhook, with the chart and the policy from before', async () => {
      history.fault('helm upgrade of the webhook')
      const servers = await generations(cluster)
      const tag = next.slice(next.lastIndexOf(':') + 1)
      const set = ['--set', `webhook.image.tag=${tag}`]
      await run(['upgrade', 'greenroom', chart, ...valuesFor(image), ...set, ...patiently])
      expect((await generations(cluster)) === servers, 'the session servers have changed')
      // Helm waits for the new ones only. The old ones still answer while they drain, and refuse the new policy.
      await until(
        'the old webhooks have gone',
        async () => (await imagesOf(cluster, webhook)) === next,
        withinMs,
      )
      return `webhook ${await imagesOf(cluster, webhook)}, session servers ${await imagesOf(cluster)}`
    })
    await check('then everything, with the new policy', async () => {
      history.fault('helm upgrade')
      await run(['upgrade', 'greenroom', chart, ...valuesFor(next), ...withNewKey, ...patiently])
      await untilOldOnesAreGone(cluster, before)
      const named = ['--field-selector', 'metadata.name=agent-policy-accepted']
      const accepted = await cluster.run(['get', 'configmaps', '-A', ...named, '-o', 'yaml'])
      expect(accepted.includes(newKey), 'the policy in force is another one')
      return `its policy is in force; session servers ${await imagesOf(cluster)}`
    })
  } finally {
    await load.stop()
  }
  say(exchangeTable(load.exchanges()).replaceAll('\n', '\n        '))
  const failures = failureLines(load.exchanges())
  if (failures) say(failures)
  const evidence = { cluster, stores, url, apiKey, load, history, before, kubeconfig }
  for (const { what, ok, detail } of await checksOf(evidence)) {
    await check(what, async () => {
      expect(ok, detail)
      return detail
    })
  }
}

const webhook = { namespace: systemNamespace, labels: 'app=agent-webhook' }
