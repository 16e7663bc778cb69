import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { writeFile } from 'node:fs/promises'
import { connect } from 'node:net'
import { join } from 'node:path'
import { RoomServiceClient } from 'livekit-server-sdk'
import { until } from '../../../bed/processes/until.ts'
import { createBedClient } from '../../../bed/replicas/bed-client.ts'
import { root } from '../../../bed/repository.ts'
import { freePort } from '../../../bed/servers/free-port.ts'
import { imageFacts } from '../build-greenroom-image.ts'
import { namespace, refuseToOverwrite, systemNamespace, uninstall } from '../installation.ts'
import { buildLiveKitImage } from '../live-kit-image.ts'
import { type Bench, expect, type Scenario } from '../scenario.ts'
import { runShell, startShell } from '../shell.ts'
import { buildStandIns, fullName } from '../stand-in-images.ts'

/**
 * `scripts/start-k8s.sh --driver current`, `stop-k8s.sh` and `delete-k8s.sh` as a person types them, with the dev overlay as it is:
 * PostgreSQL, Redis and LiveKit are pods of the cluster.
 */

const overlay = 'manifests/overlays/dev'
const agentType = 'echo-agent'
const withinMs = 180_000
const everythingIsUp = 'Ctrl-C ends the port forwards'

export const startScript: Scenario = {
  name: 'start-script',
  shows: 'scripts/start-k8s.sh with the complete dev overlay: started twice, a session, stopped, deleted',
  async run(bench) {
    const { archive, load, cluster, check, folder, say } = bench
    if (!archive || !load) return say('not run: the images of this cluster are not ours to choose')
    await refuseToOverwrite(cluster)
    await load(await buildStandIns(folder))
    await load(await buildLiveKitImage(folder))
    // As the manifests name it.
    await load(archive.path, [fullName(`greenroom:${(await imageFacts()).version}`)])
    const ports = { api: await freePort(), page: await freePort(), liveKit: await freePort() }
    const start = await startCommand(folder, ports)
    try {
      await check('start-k8s.sh: from nothing to a warm agent, and no secret printed', async () => {
        const printed = await runShell(bench, root, `${start} --no-forward`)
        const secrets = Object.values(await secretsOf(bench))
        expect(!secrets.some((secret) => printed.includes(secret)), 'it printed a value of a Secret')
        return `${secrets.length} values, none printed`
      })
      const before = await standing(bench)
      const again = startShell(bench, root, start)
      try {
        await check('started again: nothing is made anew, and the ports are forwarded', async () => {
          await until(
            'the forwarded ports',
            () => {
              expect(!again.hasEnded(), `it ended: ${again.text().trim()}`)
              return again.text().includes(everythingIsUp)
            },
            withinMs,
          )
          const after = await standing(bench)
          expect(after === before, `before:\n${before}\nafter:\n${after}`)
          return `${after.split('\n').length} objects are the ones from before`
        })
        await check('a session and LiveKit through the forwarded ports', () => session(bench, ports))
        await check('stop-k8s.sh ends the forwards, and the cluster goes on', async () => {
          const printed = await runShell(bench, root, commandIn(folder, 'stop-k8s.sh'))
          expect(printed.includes('The cluster goes on'), printed)
          expect((await again.ended) === 0, `start-k8s.sh ended otherwise: ${again.text().trim()}`)
          for (const port of Object.values(ports))
            expect(!(await listens(port)), `somebody still listens on ${port}`)
          expect((await standing(bench)) === before, 'something in the cluster has changed')
          return 'both scripts ended with 0, and nobody listens'
        })
      } finally {
        again.end()
        await again.ended
      }
      await check('started with another .env: the session server starts again with it', async () => {
        await writeFile(envFile(folder), `GREENROOM_API_KEYS=${randomBytes(24).toString('hex')}\n`)
        const printed = await runShell(bench, root, `${start} --no-forward`)
        expect(printed.includes('the session server starts again'), printed)
        // The pod from before goes on ending when its successor serves.
        const pods = await until(
          'the end of the pod from before',
          async () => {
            const kept = (await standing(bench)).split('\n').filter((line) => before.includes(line))
            const podsOfBefore = kept.filter((line) => line.startsWith('Pod '))
            return !podsOfBefore.some((line) => line.includes('session-management-server')) && podsOfBefore
          },
          withinMs,
        )
        return `${pods.length} other pods are the ones from before`
      })
      await check('delete-k8s.sh leaves nothing of the overlay', async () => {
        await runShell(bench, root, `${commandIn(folder, 'delete-k8s.sh')} --yes`)
        const rendered = await cluster.run(['kustomize', join(root, overlay)])
        const left = await cluster.run(['get', '-f', '-', '--ignore-not-found', '-o', 'name'], {
          input: rendered,
        })
        expect(left.trim() === '', `still there: ${left.trim()}`)
        return 'neither namespaces nor objects of the cluster'
      })
    } finally {
      await uninstall(cluster)
    }
  },
}

interface Ports {
  readonly api: number
  readonly page: number
  readonly liveKit: number
}

/** What the scripts remember lies in the run's own folder, so that no installation of this checkout is touched. */
function commandIn(folder: string, script: string): string {
  return `GREENROOM_K8S_STATE=${join(folder, 'k8s')} scripts/${script}`
}

function envFile(folder: string): string {
  return join(folder, 'start-script.env')
}

/** With an empty .env: every password is the script's. */
async function startCommand(folder: string, { api, page, liveKit }: Ports): Promise<string> {
  await writeFile(envFile(folder), '')
  const ports = `--api-port ${api} --try-port ${page} --livekit-port ${liveKit}`
  return `${commandIn(folder, 'start-k8s.sh')} --driver current --env ${envFile(folder)} ${ports}`
}

/** Values of the Secrets that the script makes, by `SECRET/KEY`. */
async function secretsOf({ cluster }: Bench): Promise<Readonly<Record<string, string>>> {
  const { items } = await cluster.read<{
    items: { metadata: { name: string }; data?: Record<string, string> }[]
  }>(['get', 'secrets', '-n', namespace])
  const secret = /PASSWORD|_KEYS$|_SECRET$|_URL$|keys\.json/
  return Object.fromEntries(
    items.flatMap(({ metadata, data = {} }) =>
      Object.entries(data)
        .filter(([key]) => secret.test(key))
        .map(([key, value]) => [`${metadata.name}/${key}`, Buffer.from(value, 'base64').toString()]),
    ),
  )
}

/** What a second start must leave as it is. Pods are Greenroom's own and the stores'; agents come and go. */
async function standing({ cluster }: Bench): Promise<string> {
  const uid = '{.kind} {.metadata.name} {.metadata.uid}'
  const [generation, version] = [`${uid} {.metadata.generation}`, `${uid} {.metadata.resourceVersion}`]
  const asked = [
    ['deployments,statefulsets', generation, ''],
    ['pods', uid, 'greenroom.dev/component,greenroom.dev/component!=greenroom-migrate'],
    ['secrets', version, ''],
  ] as const
  const lines: string[] = []
  for (const place of [namespace, systemNamespace]) {
    for (const [kinds, shown, labels] of asked) {
      const path = `jsonpath={range .items[*]}${shown}{"\\n"}{end}`
      lines.push(await cluster.run(['get', kinds, '-n', place, '-l', labels, '-o', path]))
    }
  }
  return lines.join('').trim()
}

async function session(bench: Bench, ports: Ports): Promise<string> {
  const secrets = await secretsOf(bench)
  const url = `http://127.0.0.1:${ports.api}`
  const apiKey = secrets['session-management-server/GREENROOM_API_KEYS'] ?? ''
  const client = createBedClient({ url, apiKey, keepAlive: true, timeoutMs: 30_000 })
  try {
    // kubectl listens a moment after the script has said so.
    await until('the session API', async () => (await client.pool(agentType).catch(() => undefined))?.status)
    const opened = await client.open({ agentType })
    expect(opened.status === 201, `open: ${opened.status} ${opened.text}`)
    const { id, epoch, livekit, pod } = opened.body
    const renewed = await client.renew(id, epoch)
    expect(renewed.status === 200, `renew: ${renewed.status} ${renewed.text}`)
    const liveKitUrl = `ws://localhost:${ports.liveKit}`
    expect(livekit?.url === liveKitUrl, `LiveKit is ${livekit?.url}, not ${liveKitUrl}`)
    const secret = secrets['session-management-server/LIVEKIT_API_SECRET']
    const rooms = new RoomServiceClient(liveKitUrl.replace('ws', 'http'), 'greenroom', secret)
    const listed = await until('LiveKit', () => rooms.listRooms().catch(() => undefined))
    const page = await fetch(`http://127.0.0.1:${ports.page}/try`)
    expect(page.status === 200, `/try: ${page.status}`)
    const ended = await client.end(id, '?wait=true')
    expect(ended.body.status === 'ENDED', `end: ${ended.status} ${ended.text}`)
    return `opened in ${opened.ms.toFixed(0)} ms on ${pod.name}, ${listed.length} rooms, the page answers`
  } finally {
    client.close()
  }
}

async function listens(port: number): Promise<boolean> {
  const socket = connect({ host: '127.0.0.1', port })
  return once(socket, 'connect')
    .then(
      () => true,
      () => false,
    )
    .finally(() => socket.destroy())
}
