import { parseArgs } from 'node:util'
import { temporaryFolder } from '../../bed/processes/temporary-folder.ts'
import { buildGreenroomImage } from './build-greenroom-image.ts'
import { connectCluster } from './cluster.ts'
import { script, startOneNodeCluster } from './one-node-cluster.ts'
import { type Bench, createChecks, type Scenario } from './scenario.ts'
import { chartScenario } from './scenarios/chart.ts'
import { chartWebhookFirst } from './scenarios/chart-webhook-first.ts'
import { devOverlay } from './scenarios/dev-overlay.ts'
import { exampleAlfred } from './scenarios/example-alfred.ts'
import { exampleSekha } from './scenarios/example-sekha.ts'
import { exampleStation } from './scenarios/example-station.ts'
import { exampleStella } from './scenarios/example-stella.ts'
import { imageFiles } from './scenarios/image-files.ts'
import { imageInAPod } from './scenarios/image-in-a-pod.ts'
import { imageWithRooms } from './scenarios/image-with-rooms.ts'
import { networkPolicies } from './scenarios/network-policies.ts'
import { pythonAgent } from './scenarios/python-agent.ts'
import { startScript } from './scenarios/start-script.ts'

/**
 * `npm run e2e` builds the image, starts a real cluster of one node, and tries both: one line a check, at the end how many
 * passed and failed. The README beside this file says what it needs.
 */

/** In the order in which they run. */
const scenarios: readonly Scenario[] = [
  imageFiles,
  imageInAPod,
  imageWithRooms,
  devOverlay,
  startScript,
  networkPolicies,
  chartScenario,
  chartWebhookFirst,
  pythonAgent,
  exampleStation,
  exampleAlfred,
  exampleSekha,
  exampleStella,
]

/** What a change breaks most often, for every change: that the image runs, and that the manifests come up and serve. */
const quick: readonly Scenario[] = [imageInAPod, devOverlay]

const usage = `usage: npm run e2e -- [SCENARIO…|--quick] [--network-policy] [--keep]
       KUBECONFIG=FILE npm run e2e -- [SCENARIO…] --image NAME:TAG --host-address IP
Scenarios (all unless named):
${scenarios.map(({ name, shows }) => `  ${name.padEnd(16)}${shows}`).join('\n')}
--quick             ${quick.map(({ name }) => name).join(' and ')}
--network-policy    the cluster enforces network policies; with KUBECONFIG: yours does
--keep              leave the cluster running, and say how to end it
--image NAME:TAG    with KUBECONFIG: Greenroom's image, loaded on every node already
--host-address IP   with KUBECONFIG: an address of this machine that pods reach`

interface Options {
  readonly wanted: readonly Scenario[]
  readonly networkPolicy: boolean
  readonly keep: boolean
  /** A cluster that is there already, with the image. */
  readonly given:
    | { readonly kubeconfig: string; readonly image: string; readonly hostAddress: string }
    | undefined
}

function readOptions(argv: readonly string[], kubeconfig: string | undefined): Options {
  const { values, positionals } = parseArgs({
    args: [...argv],
    allowPositionals: true,
    options: {
      quick: { type: 'boolean', default: false },
      'network-policy': { type: 'boolean', default: false },
      keep: { type: 'boolean', default: false },
      image: { type: 'string' },
      'host-address': { type: 'string' },
    },
  })
  const unknown = positionals.filter((name) => !scenarios.some((scenario) => scenario.name === name))
  if (unknown.length > 0) throw new Error(`there is no scenario ${unknown.join(', ')}`)
  if (values.quick && positionals.length > 0) throw new Error('--quick names its scenarios itself')
  const named = scenarios.filter(({ name }) => positionals.length === 0 || positionals.includes(name))
  const wanted = values.quick ? quick : named
  const { image, 'host-address': hostAddress, keep, 'network-policy': networkPolicy } = values
  if (!kubeconfig && (image || hostAddress))
    throw new Error('--image and --host-address belong to a cluster of yours: set KUBECONFIG')
  if (!kubeconfig) return { wanted, networkPolicy, keep, given: undefined }
  if (!image || !hostAddress)
    throw new Error('KUBECONFIG is set, so give --image and --host-address; or unset it')
  return { wanted, networkPolicy, keep, given: { kubeconfig, image, hostAddress } }
}

async function main(options: Options): Promise<number> {
  await using folder = await temporaryFolder('e2e')
  const { bench: checks, passed, failed } = createChecks((line) => console.log(line))
  const ready = options.given
    ? { ...options.given, archive: undefined, load: undefined, stop: async () => undefined }
    : await provide(folder.path, options)
  try {
    const bench: Bench = {
      ...checks,
      ...ready,
      folder: folder.path,
      enforcesPolicies: options.networkPolicy,
      cluster: connectCluster(ready.kubeconfig, folder.path),
    }
    for (const { name, shows, run } of options.wanted) {
      console.log(`\n${name}: ${shows}`)
      // What a scenario needs before it can check anything: its failure is one, and the next one runs.
      await run(bench).catch((error: unknown) =>
        checks.check(`${name} runs to its end`, () => Promise.reject(error)),
      )
    }
  } finally {
    await ready.stop()
  }
  console.log(`\n${passed()} passed, ${failed()} failed`)
  return failed() === 0 ? 0 : 1
}

/** A tag of this run, so that nobody takes the image for a release. */
const image = 'greenroom:e2e'

/** The image is built first: where it does not build, no cluster is started. */
async function provide(folder: string, { networkPolicy, keep }: Options) {
  console.log(await script('can-run', []))
  console.log('building the image')
  const archive = await buildGreenroomImage({ folder, name: image })
  // Not below `folder`, which goes at the end in any case.
  const stateFolder = `${folder.replace(/\/$/, '')}-cluster`
  const cluster = await startOneNodeCluster({ stateFolder, networkPolicy })
  try {
    await cluster.load(archive.path)
  } catch (error) {
    await cluster.stop()
    throw error
  }
  const { kubeconfig, hostAddress } = cluster
  return {
    image,
    archive,
    load: (archivePath: string, as?: readonly string[]) => cluster.load(archivePath, as),
    kubeconfig,
    hostAddress,
    async stop() {
      if (!keep) return cluster.stop()
      console.log(`\nthe cluster goes on: export KUBECONFIG=${kubeconfig}; bed/cluster/down ${stateFolder}`)
    },
  }
}

let options: Options | undefined
try {
  options = readOptions(process.argv.slice(2), process.env.KUBECONFIG)
} catch (error) {
  console.error(`${(error as Error).message}\n\n${usage}`)
  process.exitCode = 2
}
if (options) {
  process.exitCode = await main(options).catch((error: unknown) => {
    console.error(error instanceof Error ? error.message : error)
    return 1
  })
}
