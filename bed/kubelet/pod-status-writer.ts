import { pause } from '../../src/timing/pause.ts'
import { type KubeApi, strategicMergePatch } from './kube-api.ts'
import { type Condition, type PodFacts, type PodPhase, statusPatch } from './pod-status.ts'

/** Writes a pod's status when it has changed, one write at a time, the newest state each time. */
export interface StatusWriter {
  changed(): void
  /** Resolves when everything that changed so far is written, or the pod is gone. */
  settled(): Promise<void>
  /** Removes the object for good, if it is still this very pod. */
  removePod(uid: string): Promise<void>
}

interface StatusWriterDeps {
  readonly api: KubeApi
  /** Of the pod. */
  readonly path: string
  facts(): PodFacts
  phase(): PodPhase
  warn(message: string): void
  /** Conditions that stand there already (after a restart of the kubelet). */
  readonly before: readonly { type: string; status: string; lastTransitionTime?: Date }[]
  readonly gone: AbortSignal
}

const retryMs = 200

export function createStatusWriter(deps: StatusWriterDeps): StatusWriter {
  let conditions: readonly Condition[] = deps.before.map(({ type, status, lastTransitionTime }) => ({
    type,
    status: status === 'True' ? 'True' : 'False',
    // The client library's type says Date, but the plain JSON of the API has text.
    lastTransitionTime: String(lastTransitionTime),
  }))
  let written = ''
  let dirty = false
  let writing: Promise<void> | undefined

  async function writeAll(): Promise<void> {
    while (dirty && !deps.gone.aborted) {
      dirty = false
      const facts = deps.facts()
      const patch = statusPatch(facts, deps.phase(), conditions, Date.now())
      const text = JSON.stringify(patch.status)
      if (text === written) continue
      // With the UID the API server refuses the status if another pod has taken the name.
      const body = { metadata: { uid: facts.pod.metadata?.uid }, status: patch.status }
      const done = await send({ method: 'PATCH', path: `${deps.path}/status`, body })
      if (done) {
        written = text
        conditions = patch.conditions
      } else dirty = true
    }
  }

  /** False if it must be tried again. */
  async function send(call: { method: 'PATCH' | 'DELETE'; path: string; body: unknown }): Promise<boolean> {
    try {
      const contentType = call.method === 'PATCH' ? strategicMergePatch : 'application/json'
      const { status, body } = await deps.api.send({ ...call, contentType })
      // 409: a conflict, or another pod has taken the name; in that case the watch will report that this one is gone.
      if (status < 300 || status === 404) return true
      const { message = '' } = (body ?? {}) as { message?: string }
      deps.warn(`${call.method} ${call.path}: HTTP ${status}: ${message}`)
    } catch (error) {
      deps.warn(`${call.method} ${call.path}: ${String(error)}`)
    }
    await pause(retryMs, deps.gone)
    return false
  }

  const writer: StatusWriter = {
    changed: () => {
      dirty = true
      writing ??= writeAll().finally(() => {
        writing = undefined
        // It may have changed again between the last look and this moment.
        if (dirty && !deps.gone.aborted) writer.changed()
      })
    },
    settled: async () => {
      while (writing) await writing
    },
    removePod: async (uid) => {
      const body = { gracePeriodSeconds: 0, preconditions: { uid } }
      while (!deps.gone.aborted && !(await send({ method: 'DELETE', path: deps.path, body })));
    },
  }
  return writer
}
