import { createKubeApi } from '../../bed/kubelet/kube-api.ts'
import { listAndWatch } from '../../bed/kubelet/list-and-watch.ts'
import { pause } from '../../src/timing/pause.ts'
import type { LoadSpec } from './load-generator.ts'
import { type Measured, runLoop, type Send } from './load-loop.ts'

/** The caller of agent-sandbox: creates SandboxClaims, and learns from one watch when each is Ready with its sandbox. */
export interface SandboxClaims {
  run(load: ClaimLoad): Promise<ClaimResult>
  /** Ends every claim that still runs. */
  endAll(): Promise<void>
}

/** What a claim is, and where the objects stand that come with it. */
export interface ClaimTarget {
  readonly kubeconfigPath: string
  /** Without metadata. */
  readonly claim: object
  readonly claimsPath: string
  readonly sandboxesPath: string
  readonly podsPath: string
}

export interface ClaimLoad extends Pick<LoadSpec, 'loop' | 'count' | 'warmUp' | 'endAfterMs'> {
  /** A claim that is not Ready by then is an error. */
  readonly timeoutMs: number
}

export interface ClaimResult extends Measured {
  /** What went wrong, and how often. */
  readonly reasons: Readonly<Record<string, number>>
}

/** Of the process that it runs in. */
export type ClaimCalls = {
  connect(target: ClaimTarget): Promise<void>
  run(load: ClaimLoad): Promise<ClaimResult>
  endAll(_: undefined): Promise<void>
}

interface ClaimObject {
  readonly metadata: { readonly name: string; readonly uid?: string }
  readonly status?: {
    readonly sandbox?: { readonly name?: string }
    readonly conditions?: readonly { readonly type: string; readonly status: string }[]
  }
}

interface SandboxObject {
  readonly metadata: { readonly annotations?: Readonly<Record<string, string>> }
}

/** As many as a bench has callers: no claim waits for a free connection of its client. */
const connections = 128
/** Where a sandbox took over a pod of another name. */
const podNameAnnotation = 'agents.x-k8s.io/pod-name'

export async function createSandboxClaims(target: ClaimTarget): Promise<SandboxClaims> {
  const api = await createKubeApi(target.kubeconfigPath, { connections })
  /** By claim: what waits for its sandbox's name. */
  const waiting = new Map<string, (sandbox: string) => void>()
  /** Sandboxes of the claims that have not been ended, by claim. */
  const held = new Map<string, string>()
  let created = 0

  // Until the process ends, which is this caller's alone.
  void listAndWatch<ClaimObject>(
    api,
    {
      path: target.claimsPath,
      onObject({ metadata: { name }, status }) {
        const ready = status?.conditions?.some(({ type, status: its }) => type === 'Ready' && its === 'True')
        if (!ready || status?.sandbox?.name === undefined) return
        // Too late for its caller, it has its sandbox all the same.
        held.set(name, status.sandbox.name)
        waiting.get(name)?.(status.sandbox.name)
      },
      onGone: ({ metadata: { name } }) => void held.delete(name),
      onError: (error) => console.error(String(error)),
    },
    new AbortController().signal,
  )

  /** The name of its sandbox, or what went wrong. */
  async function claim(name: string, timeoutMs: number): Promise<{ sandbox: string } | { reason: string }> {
    const { promise: sandbox, resolve } = Promise.withResolvers<string>()
    waiting.set(name, resolve)
    const late = new AbortController()
    try {
      const body = { ...target.claim, metadata: { name } }
      const { status } = await api.send({ method: 'POST', path: target.claimsPath, body })
      if (status !== 201) return { reason: `HTTP ${status}` }
      const tooLate = pause(timeoutMs, late.signal).then(() => undefined)
      const found = await Promise.race([sandbox, tooLate])
      if (found === undefined) return { reason: `not Ready within ${timeoutMs} ms` }
      return { sandbox: found }
    } catch (error) {
      return { reason: String(error) }
    } finally {
      waiting.delete(name)
      late.abort()
    }
  }

  /** Deletes the claim and, as no garbage collector runs here, what Kubernetes would delete after it. */
  async function end(name: string, sandbox: string): Promise<void> {
    held.delete(name)
    const sandboxPath = `${target.sandboxesPath}/${sandbox}`
    const annotations = (await api.get<SandboxObject>(sandboxPath))?.metadata.annotations
    const pod = annotations?.[podNameAnnotation] ?? sandbox
    for (const path of [`${target.claimsPath}/${name}`, sandboxPath, `${target.podsPath}/${pod}`]) {
      const { status } = await api.send({ method: 'DELETE', path, body: {} })
      if (status >= 300 && status !== 404) throw new Error(`DELETE ${path}: HTTP ${status}`)
    }
  }

  return {
    async run({ loop, count, warmUp, endAfterMs, timeoutMs }) {
      const reasons: Record<string, number> = {}
      const ending: Promise<unknown>[] = []
      const failed: unknown[] = []
      const send: Send = async () => {
        const name = `bench-${(created += 1)}`
        const outcome = await claim(name, timeoutMs)
        if ('reason' in outcome) {
          reasons[outcome.reason] = (reasons[outcome.reason] ?? 0) + 1
          return false
        }
        if (endAfterMs !== undefined)
          ending.push(
            pause(endAfterMs)
              .then(() => end(name, outcome.sandbox))
              .catch((error: unknown) => failed.push(error)),
          )
        return true
      }
      const measured = await runLoop(loop, { count, warmUp }, send)
      await Promise.all(ending)
      if (failed.length > 0) throw new AggregateError(failed, `not ended: ${String(failed[0])}`)
      return { ...measured, reasons }
    },
    async endAll() {
      for (const [name, sandbox] of held) await end(name, sandbox)
    },
  }
}
