import { mkdir, rename, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { type Bed, startBed } from '../bed.ts'
import { poolsDocument } from '../pools-document.ts'
import { root } from '../repository.ts'
import { callersEnvironment, readFlags, wholeNumber } from './command-line.ts'

/** `npm run dev [-- --replicas N --pool N]`: the bed and Greenroom, left running until Ctrl-C. */

const flags = readFlags({
  replicas: { type: 'string', default: '1' },
  pool: { type: 'string', default: '8' },
})
const replicas = wholeNumber('replicas', flags.replicas, 1)
const min = wholeNumber('pool', flags.pool, 0)
const folder = join(root, '.greenroom')
const file = join(folder, 'dev.json')

/** Writes where everything is, for people and programs. Written again whenever a role restarts. */
async function writeFacts(bed: Bed): Promise<void> {
  const pids = Object.fromEntries([...bed.roles.values()].map((role) => [role.name, role.pid()]))
  const facts = {
    apiUrls: bed.apiUrls,
    apiKey: bed.apiKey,
    kubeconfig: bed.plane.kubeconfigPath,
    redisUrl: bed.redis.url,
    databaseUrl: bed.databaseUrl,
    webhookUrl: bed.webhookUrl,
    webhookCa: bed.plane.webhook.caPath,
    livekitUrl: bed.livekit?.url ?? process.env.LIVEKIT_URL ?? null,
    namespace: bed.namespace,
    logs: bed.folder,
    pids: {
      ...pids,
      redis: bed.redis.pid,
      postgres: bed.postgres.pid,
      ...liveKitPid(bed),
      ...bed.plane.pids,
    },
  }
  await mkdir(folder, { recursive: true })
  // Renamed into place, so that no reader finds half a file.
  await writeFile(`${file}.part`, `${JSON.stringify(facts, null, 2)}\n`, { mode: 0o600 })
  await rename(`${file}.part`, file)
}

function liveKitPid({ livekit }: Bed): { readonly livekit?: number } {
  return livekit ? { livekit: livekit.pid } : {}
}

/** The write under way; the next one begins when it is done. */
let writing: Promise<void> = Promise.resolve()
const { promise: interrupted, resolve: interrupt } = Promise.withResolvers<string>()
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => interrupt(signal))

/** Empty until everything is up: role starts before that are not restarts. */
const running: Bed[] = []
const environment = callersEnvironment(console.log)
const bed = await startBed({
  replicas,
  paced: true,
  pools: poolsDocument({ min, max: Math.max(20, 4 * min) }),
  say: console.log,
  ...environment,
  apiEnv: { ...environment.apiEnv, GREENROOM_TRY_PAGE: 'true' },
  onRole(name, pid) {
    const [facts] = running
    if (!facts) return
    console.log(`${name} was started again (pid ${pid})`)
    writing = writing.then(() => writeFacts(facts))
  },
})
running.push(bed)
await writeFacts(bed)
console.log(`
Talk to it    ${bed.apiUrls[0]}/try#key=${bed.apiKey}
Dashboard     ${bed.apiUrls[0]}/dashboard   (sign in with the API key below)
Session API   ${bed.apiUrls.join('  ')}
API document  ${bed.apiUrls[0]}/docs
API key       ${bed.apiKey}
kubectl       export KUBECONFIG=${bed.plane.kubeconfigPath}
facts         .greenroom/dev.json (addresses, key, pids)

Open a session:
  curl -s ${bed.apiUrls[0]}/v1/sessions -H "Authorization: Bearer ${bed.apiKey}" \\
    -H 'Content-Type: application/json' -d '{"agentType": "echo-agent"}'

Ctrl-C takes everything down.`)

await interrupted
console.log('\ntaking everything down')
await writing
await rm(file, { force: true })
await bed.stop()
