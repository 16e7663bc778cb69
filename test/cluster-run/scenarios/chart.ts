import { execFile } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { promisify } from 'node:util'
import { parseAllDocuments } from 'yaml'
import { temporaryFolder } from '../../../bed/processes/temporary-folder.ts'
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
import { checksOf } from '../rolling-restart-checks.ts'
import { exchangeTable, failureLines } from '../run-report.ts'
import { provideStores } from '../run-stores.ts'
import { type Bench, expect, type Scenario } from '../scenario.ts'
import { startServiceLoad } from '../service-load.ts'
import { clusterUrl, replicas, untilOldOnesAreGone } from '../session-servers.ts'

/**
 * The chart from nothing to nothing: install, test, upgrade and roll back under load, uninstall. The version before is the
 * same program under another tag.
 */
export const chartScenario: Scenario = {
  name: 'chart',
  shows: 'the Helm chart: install, helm test, upgrade and roll-back under load, uninstall',
  async run(bench) {
    const { cluster, check, folder, hostAddress, image, kubeconfig, say } = bench
    const before = `${image}-before`
    if (!(await provideImage(bench, before))) return
    await refuseToOverwrite(cluster)
    const run = helmOf(await provideHelm(say), folder, kubeconfig)
    const stores = await provideStores({ hostAddress })
    const apiKey = randomBytes(24).toString('hex')
    try {
      await check("the keys come from the image, by the command of Helm's notes", () =>
        keysFrom(bench, before),
      )
      await check('helm install, with the Secrets made before', async () => {
        await cluster.run(['create', 'namespace', namespace])
        await applySecrets({ cluster, stores, apiKey })
        const notes = await run([
          'install',
          'greenroom',
          chart,
          ...valuesFor(before),
          '--take-ownership',
          ...patiently,
        ])
        expect(!/are missing/.test(notes), `the notes miss something: ${notes}`)
        return 'migrated; session servers and webhook are ready'
      })
      const url = await clusterUrl(cluster)
      await check('the pool fills', () => stocked(url, apiKey))
      await check('helm test', () => tested(run))
      await check('an upgrade whose migration fails changes nothing, and says why', () =>
        stopsAtTheMigration(bench, run, stores.databaseUrl),
      )
      await upgradedUnderLoad({ bench, run, stores, url, apiKey })
      await check('helm uninstall leaves nothing', () => nothingLeft(bench, run))
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

/** Of load before the first change and after the last. */
const quietMs = 5_000

/** The image under a second name, in the cluster. False, and says so, where the run has no archive of it. */
async function provideImage({ archive, load, image, say }: Bench, name: string): Promise<boolean> {
  if (!archive || !load) {
    say('not run: it needs the image under two names, and this one was given')
    return false
  }
  await using folder = await temporaryFolder('image')
  const execute = promisify(execFile)
  const unpacked = join(folder.path, 'image')
  await execute('mkdir', [unpacked])
  await execute('tar', ['xf', archive.path, '-C', unpacked])
  const manifest = join(unpacked, 'manifest.json')
  const text = await readFile(manifest, 'utf8')
  expect(text.includes(`/${image}"`), `the archive does not name ${image}: ${text}`)
  await writeFile(manifest, text.replaceAll(`/${image}"`, `/${name}"`))
  const renamed = join(folder.path, 'image.tar')
  await execute('tar', ['cf', renamed, '-C', unpacked, '.', '--transform', 's,^\\./,,'])
  await load(renamed)
  return true
}

/** `kubectl run … -- assign-key`, whose output is not applied here. */
async function keysFrom({ cluster }: Bench, image: string): Promise<string> {
  const pod = [
    'run',
    'assign-key',
    '-n',
    'default',
    '--rm',
    '-i',
    '--quiet',
    '--restart=Never',
    `--image=${image}`,
  ]
  const printed = await cluster.run([...pod, '--', 'assign-key'])
  const kinds = parseAllDocuments(printed).map(
    (document) => (document.toJS() as { kind?: string } | null)?.kind,
  )
  expect(kinds.join() === 'Secret,ConfigMap', `printed ${kinds.join()}`)
  return kinds.join(' and ')
}

async function tested(run: RunHelm): Promise<string> {
  const said = await run(['test', 'greenroom', '--timeout', '3m'])
  const opened = /opened \S+ on \S+ after \d+ ms/.exec(said)?.[0]
  const ended = /ended \([^)]+\) after \d+ ms/.exec(said)?.[0]
  expect(opened !== undefined && ended !== undefined, `its log is not shown: ${said}`)
  return `${opened}, ${ended}`
}

async function stopsAtTheMigration({ cluster, hostAddress, image }: Bench, run: RunHelm, url: string) {
  const migrateWith = async (databaseUrl: string) => {
    const patch = JSON.stringify({ stringData: { DATABASE_URL: databaseUrl } })
    await cluster.run(['patch', 'secret', 'greenroom-migrate', '-n', namespace, '-p', patch])
  }
  // Nobody listens there.
  await migrateWith(`postgres://nobody@${hostAddress}:1/none`)
  const before = await deployed(cluster)
  const upgrade = run(['upgrade', 'greenroom', chart, ...valuesFor(image), '--timeout', '40s'])
  const said = await upgrade.catch((error: Error) => error.message)
  await migrateWith(url)
  expect(/pre-upgrade hooks failed/.test(said), `it went on: ${said}`)
  const reason = /GRN_\w+|ECONNREFUSED/.exec(said)?.[0]
  expect(reason !== undefined, `the log of the migration is not shown: ${said}`)
  expect((await deployed(cluster)) === before, 'a Deployment has changed')
  return `stopped with ${reason}`
}

async function deployed({ run }: Cluster): Promise<string> {
  return run(['get', 'deployments', '-A', '-o', 'jsonpath={.items[*].metadata.generation}'])
}

interface UnderLoad {
  readonly bench: Bench
  readonly run: RunHelm
  readonly stores: { readonly redisUrl: string; readonly databaseUrl: string; stop(): Promise<void> }
  readonly url: string
  readonly apiKey: string
}

async function upgradedUnderLoad({ bench, run, stores, url, apiKey }: UnderLoad): Promise<void> {
  const { check, cluster, image, kubeconfig, say } = bench
  const history = createHistory()
  const atFirst = await replicas(cluster)
  const load = await startServiceLoad({ url, apiKey, history })
  try {
    await setTimeout(quietMs)
    await check('helm upgrade to the next version under load', async () => {
      history.fault('helm upgrade')
      await run(['upgrade', 'greenroom', chart, ...valuesFor(image), ...patiently])
      await untilOldOnesAreGone(cluster, atFirst)
      return `every session server runs ${await imagesOf(cluster)}`
    })
    const upgraded = await replicas(cluster)
    await check('helm rollback under load', async () => {
      history.fault('helm rollback')
      // The revision before is the upgrade that failed.
      await run(['rollback', 'greenroom', '1', ...patiently])
      await untilOldOnesAreGone(cluster, upgraded)
      return `every session server runs ${await imagesOf(cluster)}`
    })
    await setTimeout(quietMs)
  } finally {
    await load.stop()
  }
  say(exchangeTable(load.exchanges()).replaceAll('\n', '\n        '))
  const failures = failureLines(load.exchanges())
  if (failures) say(failures)
  const evidence = { cluster, stores, url, apiKey, load, history, before: atFirst, kubeconfig }
  for (const { what, ok, detail } of await checksOf(evidence)) {
    await check(what, async () => {
      expect(ok, detail)
      return detail
    })
  }
}

const clusterWide = [
  'clusterrole',
  'clusterrolebinding',
  'mutatingwebhookconfiguration',
  'validatingwebhookconfiguration',
  'priorityclass',
]

async function nothingLeft({ cluster }: Bench, run: RunHelm): Promise<string> {
  await run(['uninstall', 'greenroom', ...patiently])
  const namespaces = ['get', 'namespace', namespace, systemNamespace, '--ignore-not-found', '-o', 'name']
  await until(
    'the end of the namespaces',
    async () => (await cluster.run(namespaces)).trim() === '',
    withinMs,
  )
  const labelled = ['get', clusterWide.join(','), '-l', 'app.kubernetes.io/part-of=greenroom', '-o', 'name']
  const records = ['get', 'secret', '-n', 'default', '-l', 'owner=helm', '-o', 'name']
  const left = `${await cluster.run(labelled)}${await cluster.run(records)}`.trim()
  expect(left === '', `still there: ${left}`)
  return 'no namespace, no object of the cluster, no record of the release'
}
