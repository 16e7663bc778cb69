import { mkdir, readFile, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { RoomServiceClient } from 'livekit-server-sdk'
import { until } from '../../../bed/processes/until.ts'
import { createBedClient } from '../../../bed/replicas/bed-client.ts'
import { root } from '../../../bed/repository.ts'
import { runDocumentCommands } from '../document-commands/document-command.ts'
import { deletion, whileItRuns } from '../document-commands/stella.ts'
import { untilAllReady, withExample } from '../example-run.ts'
import { namespace } from '../installation.ts'
import { buildLiveKitImage } from '../live-kit-image.ts'
import { type Bench, expect, type Scenario } from '../scenario.ts'
import { clusterUrl, untilReady } from '../session-servers.ts'
import { runShell } from '../shell.ts'
import { fullName } from '../stand-in-images.ts'

const example = 'stella'
/** Both are ours here: the session server, and the echo agent in the place of STELLA's. */
const ourNames = ['session-management-server:0.1.0', 'conversational-ai-server:0.1.0']
const liveKit = {
  key: 'greenroom',
  secret: 'a-secret-of-at-least-32-characters',
}

export const exampleStella: Scenario = {
  name: 'example-stella',
  shows: 'STELLA by the lines of its README with a real LiveKit, its documents’ commands, and a session',
  run: async (bench) => {
    const { archive, load, say } = bench
    if (!archive || !load) return say('not run: the images of this cluster are not ours to choose')
    await load(await buildLiveKitImage(bench.folder))
    await load(archive.path, ourNames.map(fullName))
    await withExample(bench, { example, namespaces: [], greenroom: 'is part of it' }, () => stella(bench))
  },
}

async function stella(bench: Bench): Promise<void> {
  const { check, cluster } = bench
  await check('installed by the lines of the README, until Ready', async () => {
    await installByReadme(bench)
    await untilReady(cluster)
    return untilAllReady(cluster, namespace)
  })
  await untilReady(cluster)
  await check('LiveKit takes the key of .env, at the address of its Service', () => rooms(bench))
  await check('a session has its pod’s labels, and its pod goes with it', () => session(bench))
  await runDocumentCommands(bench, example, whileItRuns)
  await runDocumentCommands(bench, example, deletion)
}

/** In a folder that looks like a checkout, so that nobody's .env is in the way. */
async function installByReadme(bench: Bench): Promise<void> {
  const readme = await readFile(join(root, 'examples/stella/README.md'), 'utf8')
  const lines = [...readme.matchAll(/```sh\n([^]*?)```/g)]
    .map(([, text = '']) => text)
    .find((text) => text.includes('kubectl apply'))
  if (!lines) throw new Error('the README has no lines that install')
  const checkout = join(bench.folder, 'checkout')
  await mkdir(checkout)
  for (const name of ['examples', 'manifests', 'node_modules', 'package.json', 'src'])
    await symlink(join(root, name), join(checkout, name))
  const env = await readFile(join(root, 'examples/stella/.env.example'), 'utf8')
  const { key, secret } = liveKit
  const values: Record<string, string> = {
    LIVEKIT_URL: 'ws://livekit:7880',
    LIVEKIT_API_KEY: key,
    LIVEKIT_API_SECRET: secret,
  }
  const filled = env.replaceAll(/^(LIVEKIT_\w+)=.*$/gm, (_, name: string) => `${name}=${values[name]}`)
  await writeFile(join(checkout, '.env'), filled)
  const printed = await runShell(bench, checkout, `set -euo pipefail\n${lines}`)
  expect(!printed.includes(secret) && !/sk-proj/.test(printed), 'the README’s lines print a secret')
}

async function rooms({ cluster }: Bench): Promise<string> {
  const { spec } = await cluster.read<{ spec: { clusterIP: string } }>([
    'get',
    'svc',
    'livekit',
    '-n',
    namespace,
  ])
  const url = `http://${spec.clusterIP}:7880`
  const listed = await new RoomServiceClient(url, liveKit.key, liveKit.secret).listRooms()
  return `${listed.length} rooms`
}

async function session({ cluster }: Bench): Promise<string> {
  const keys = ['get', 'secret', 'session-management-server', '-n', namespace, '-o']
  const apiKey = await cluster.run([...keys, 'go-template={{.data.GREENROOM_API_KEYS | base64decode}}'])
  const url = await clusterUrl(cluster)
  const client = createBedClient({ url, apiKey, keepAlive: true, timeoutMs: 30_000 })
  try {
    const opened = await client.open({ agentType: 'echo-agent' })
    expect(opened.status === 201, `open: ${opened.status} ${opened.text}`)
    const { id, pod, livekit } = opened.body
    expect(livekit?.url === 'ws://livekit:7880', `LiveKit is ${livekit?.url}`)
    const labels = `app=conversational-ai-agent,agent-type=echo-agent,session=${id}`
    const find = ['get', 'pods', '-n', namespace, '-l', labels, '-o', 'name']
    const name = await until('the label', async () => (await cluster.run(find)).trim() || undefined, 30_000)
    expect(name === `pod/${pod.name}`, `the label is at ${name}, the session at ${pod.name}`)
    const ended = await client.call({ method: 'DELETE', path: `/v1/sessions/${id}?wait=true` })
    expect(ended.body.status === 'ENDED', `end: ${ended.status} ${ended.text}`)
    await until('the end of the pod', async () => (await cluster.run(find)).trim() === '', 60_000)
    return `opened in ${opened.ms.toFixed(0)} ms, ${pod.name}`
  } finally {
    client.close()
  }
}
