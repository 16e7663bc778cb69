import { spawn } from 'node:child_process'
import { readFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { AdmissionregistrationV1Api, CoreV1Api } from '@kubernetes/client-node'
import t from 'tap'
import { temporaryFolder } from '../../bed/processes/temporary-folder.ts'
import { root } from '../../bed/repository.ts'
import { startControlPlane } from '../../bed/servers/control-plane.ts'
import { refusal } from './admission-bed.ts'
import { restrictedPod } from './admission-pods.ts'

/** docs/break-glass.md, command by command, against an API server whose webhook never answers. */

const blocks = [
  ...(await readFile(join(root, 'docs/break-glass.md'), 'utf8')).matchAll(/^## (.*?)$|^```sh\n(.*?)^```$/gms),
].reduce<{ title: string; script: string }[]>((found, [, title, script]) => {
  if (title !== undefined) return [...found, { title, script: '' }]
  const last = found.at(-1)
  if (last) last.script += script
  return found
}, [])
const scriptOf = (title: string) => blocks.find((block) => block.title.startsWith(title))?.script ?? ''

const folder = await temporaryFolder('break-glass')
const plane = await startControlPlane({
  folder: folder.path,
  webhookManifests: [join(root, 'manifests/base/webhook')],
})
t.teardown(async () => {
  await plane.stop()
  await folder.remove()
})
await plane.apply([join(root, 'manifests/base/namespace.yaml')])
const registration = plane.admin().makeApiClient(AdmissionregistrationV1Api)
const core = plane.admin().makeApiClient(CoreV1Api)
const namespace = 'ai-agents'

async function run(script: string): Promise<{ code: number | null; output: string }> {
  const path = `${dirname(plane.kubectlPath)}:${dirname(process.execPath)}:${process.env.PATH}`
  const child = spawn('bash', ['-euo', 'pipefail', '-c', script], {
    cwd: root,
    env: { ...process.env, PATH: path, KUBECONFIG: plane.kubeconfigPath },
  })
  let output = ''
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text: string) => {
      output += text
    })
  }
  const { promise, resolve } = Promise.withResolvers<number | null>()
  child.once('close', resolve)
  return { code: await promise, output }
}

/** What becomes of a pod: 'created', or the message of the refusal. */
const createPod = async (): Promise<string> =>
  (await refusal(core.createNamespacedPod({ namespace, body: restrictedPod('x-') }))) || 'created'

const entries = async () =>
  (await registration.readValidatingWebhookConfiguration({ name: 'agent-webhook' })).webhooks ?? []

void t.test('the page has a way out for every lock', async (t) => {
  t.same(
    blocks.filter(({ script }) => script !== '').map(({ title }) => title.slice(0, 2)),
    ['Is', '1.', '2.', '3.', '4.', 'Ba'],
  )
})

void t.test('3: the label does not go while the webhook is down, before step 2', async (t) => {
  t.match(await run(scriptOf('3.')), { code: 1, output: /failed calling webhook "namespaces/ })
  t.match(await run(scriptOf('Is it')), { output: /agent-webhook/ })
})

void t.test('4: two entries are taken out, and the policy is applied', async (t) => {
  const apply = 'kubectl apply --server-side -f manifests/base/agent-policy.yaml'
  t.match(await run(apply), { code: 1, output: /failed calling webhook "owners\.agents/ })
  t.match(await run(scriptOf('4.')), { code: 0 })
  const names = (await entries()).map(({ name }) => name)
  t.notOk(names.includes('config.agents.greenroom.dev'))
  t.notOk(names.includes('owners.agents.greenroom.dev'))
  t.ok(names.includes('judge.agents.greenroom.dev'))
})

void t.test('1: without judging, pods pass', async (t) => {
  t.match(await createPod(), /failed calling webhook/)
  t.match(await run(scriptOf('1.')), { code: 0 })
  t.same([...new Set((await entries()).map(({ failurePolicy }) => failurePolicy))], ['Ignore'])
  t.equal(await createPod(), 'created')
})

void t.test('2, 3 and back: deleted, the namespace taken out, and everything as it was', async (t) => {
  t.match(await run(scriptOf('2.')), { code: 0 })
  t.equal(await createPod(), 'created')
  t.match(await run(scriptOf('3.')), { code: 0 })
  const labels = async () => (await core.readNamespace({ name: namespace })).metadata?.labels ?? {}
  t.notOk('greenroom.dev/agents' in (await labels()))
  t.match(await run(scriptOf('Back')), { code: 0 })
  t.match(await labels(), { 'greenroom.dev/agents': 'enabled' })
  t.ok(
    (await entries()).some(
      ({ name, failurePolicy }) => name.startsWith('owners.') && failurePolicy === 'Fail',
    ),
  )
  t.match(await createPod(), /failed calling webhook/)
})
