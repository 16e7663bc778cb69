import type { V1Pod } from '@kubernetes/client-node'
import { createKubeApi } from '../../bed/kubelet/kube-api.ts'
import { listAndWatch } from '../../bed/kubelet/list-and-watch.ts'
import { newest, standInGroup } from './stand-in-crds.ts'

/**
 * The least that the kinds of agent-sandbox ask of a controller, for the test of the bench: it keeps a pool of sandboxes,
 * each with a pod of its name, gives one to each claim and makes another.
 */

interface Claim {
  readonly metadata: { readonly name: string; readonly namespace: string; readonly uid?: string }
}
interface WarmPool extends Claim {
  readonly spec: { readonly replicas: number }
}

if (process.argv.includes('--help')) {
  console.error('Usage of stand-in:\n  -extensions\n    \tCalled --webhook elsewhere.\n  -leader-elect')
  process.exit(0)
}
console.error(`running with ${process.argv.slice(2).join(' ')}`)

const apiVersion = `${standInGroup}/${newest.name}`
const mergePatch = 'application/merge-patch+json'
const api = await createKubeApi(process.env.KUBECONFIG ?? '')
let pool: WarmPool | undefined
/** By name: whether it is Ready. Without those that are claimed. */
const sandboxes = new Map<string, boolean>()
const waiting: Claim[] = []
const seen = new Set<string>()
let made = 0
let told = -1
let turn: Promise<void> = Promise.resolve()

function next(): void {
  turn = turn.then(step).catch((error: unknown) => console.error(error))
}

async function step(): Promise<void> {
  if (!pool) return
  const { namespace, name } = pool.metadata
  while (sandboxes.size < pool.spec.replicas) await make(namespace)
  for (const [sandbox, ready] of sandboxes) {
    const claim = ready ? waiting.shift() : undefined
    if (!claim) continue
    sandboxes.delete(sandbox)
    const conditions = [{ type: 'Ready', status: 'True' }]
    await patchStatus('sandboxclaims', claim, { sandbox: { name: sandbox }, conditions })
    next()
  }
  const readyReplicas = [...sandboxes.values()].filter(Boolean).length
  if (readyReplicas !== told)
    await patchStatus('sandboxwarmpools', { metadata: { namespace, name } }, { readyReplicas })
  told = readyReplicas
}

async function make(namespace: string): Promise<void> {
  const name = `sandbox-${(made += 1)}`
  const metadata = { name }
  sandboxes.set(name, false)
  await send('POST', `/apis/${apiVersion}/namespaces/${namespace}/sandboxes`, {
    apiVersion,
    kind: 'Sandbox',
    metadata,
  })
  const containers = [{ name: 'agent', image: 'stand-in' }]
  await send('POST', `/api/v1/namespaces/${namespace}/pods`, { metadata, spec: { containers } })
}

async function patchStatus(plural: string, { metadata }: Claim, status: object): Promise<void> {
  const path = `/apis/${apiVersion}/namespaces/${metadata.namespace}/${plural}/${metadata.name}/status`
  await send('PATCH', path, { status })
}

async function send(method: 'POST' | 'PATCH', path: string, body: object): Promise<void> {
  const contentType = method === 'PATCH' ? mergePatch : 'application/json'
  const { status } = await api.send({ method, path, body, contentType })
  if (status >= 300) throw new Error(`${method} ${path}: HTTP ${status}`)
}

const forever = new AbortController().signal
const onError = (error: unknown) => console.error(error)
void listAndWatch<WarmPool>(
  api,
  {
    path: `/apis/${apiVersion}/sandboxwarmpools`,
    onObject(its) {
      pool = its
      next()
    },
    onGone: () => undefined,
    onError,
  },
  forever,
)
void listAndWatch<Claim>(
  api,
  {
    path: `/apis/${apiVersion}/sandboxclaims`,
    onObject(claim) {
      if (seen.has(claim.metadata.name)) return
      seen.add(claim.metadata.name)
      waiting.push(claim)
      next()
    },
    onGone: () => undefined,
    onError,
  },
  forever,
)
void listAndWatch<V1Pod>(
  api,
  {
    path: '/api/v1/pods',
    onObject({ metadata, status }) {
      const isReady = status?.conditions?.some(({ type, status: its }) => type === 'Ready' && its === 'True')
      if (sandboxes.get(metadata?.name ?? '') === false && isReady) {
        sandboxes.set(metadata?.name ?? '', true)
        next()
      }
    },
    onGone: () => undefined,
    onError,
  },
  forever,
)
