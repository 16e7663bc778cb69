import type { AgentPod } from '../../src/domain/agent-pod.ts'
import type { PodWriteError } from '../../src/domain/pod-write-error.ts'
import type { PodView, PodWriter } from '../../src/domain/ports.ts'
import { templateHash } from '../../src/domain/slot-pod.ts'

/**
 * Pods in memory, with faults that a real API server does not produce on demand: a view that lags behind what is
 * there, events that are lost, writes that are refused or done without an answer.
 */

export type Write =
  | { readonly kind: 'create'; readonly uid: string }
  | { readonly kind: 'label'; readonly uid: string; readonly sessionId: string }
  | { readonly kind: 'delete'; readonly uid: string }

type Listener = Parameters<PodView['onChange']>[0]

/** `after` tells whether a write is done although it fails: an answer that was lost. */
export interface Refusal {
  readonly error: Error
  readonly after?: boolean
}

export function createFakePods(now: () => number) {
  /** What the API server has, and what the informer shows of it. */
  const real = new Map<string, AgentPod>()
  const shown = new Map<string, AgentPod>()
  const listeners = new Set<Listener>()
  const writes: Write[] = []
  const refusals: Partial<Record<Write['kind'] | 'exists', Refusal>> = {}
  let lagging = false
  let serial = 0
  let reads = 0

  function show(uid: string, { events = true, absent = false } = {}): void {
    const pod = real.get(uid)
    const before = shown.get(uid)
    if (pod) shown.set(uid, pod)
    else shown.delete(uid)
    const change = pod ?? before
    if (!change || !events) return
    for (const listener of listeners) listener({ pod: change, gone: !pod, absent: !pod && absent })
  }

  function put(pod: AgentPod): void {
    real.set(pod.uid, pod)
    if (!lagging) show(pod.uid)
  }

  /** Does the write unless it is refused. */
  function write(kind: Write['kind'], done: () => void): void {
    const refusal = refusals[kind]
    if (!refusal || refusal.after) done()
    if (refusal) throw refusal.error
  }

  const view: PodView = {
    get: (uid) => shown.get(uid),
    byPool: (agentType) => [...shown.values()].filter((pod) => pod.agentType === agentType),
    all: () => [...shown.values()],
    synced: () => true,
    onChange(listener) {
      listeners.add(listener)
      return () => void listeners.delete(listener)
    },
  }

  const writer: PodWriter = {
    async create(agentType, spec) {
      const uid = `uid-${(serial += 1)}`
      write('create', () => {
        writes.push({ kind: 'create', uid })
        put(newPod({ uid, agentType, createdAt: now(), templateHash: templateHash(agentType, spec) }))
      })
      return { uid, name: `name-${uid}` }
    },
    async labelClaimed({ uid }, sessionId) {
      const pod = real.get(uid)
      write('label', () => {
        writes.push({ kind: 'label', uid, sessionId })
        if (pod) put({ ...pod, stateLabel: 'claimed', sessionLabel: sessionId })
      })
      return pod !== undefined
    },
    async delete({ uid }) {
      const pod = real.get(uid)
      write('delete', () => {
        writes.push({ kind: 'delete', uid })
        if (pod) put({ ...pod, deletingSince: now() + 30_000 })
      })
      return pod !== undefined
    },
    async exists({ uid, name }) {
      reads += 1
      if (refusals.exists) throw refusals.exists.error
      return real.get(uid)?.name === name
    },
  }

  return {
    view,
    writer,
    writes,
    real,
    refuse(kind: Write['kind'] | 'exists', refusal: Refusal | PodWriteError | undefined): void {
      if (refusal === undefined) delete refusals[kind]
      else refusals[kind] = refusal instanceof Error ? { error: refusal } : refusal
    },
    /** From now on the informer shows nothing new, until `catchUp`. */
    lag: () => {
      lagging = true
    },
    /** `events: false`: the state arrives without its events, as after a re-list that missed them. */
    catchUp({ events = true } = {}): void {
      lagging = false
      for (const uid of new Set([...real.keys(), ...shown.keys()])) show(uid, { events })
    },
    put,
    /** Every pod that is not on its way out becomes Ready. */
    ready(readySince = now()): void {
      for (const pod of real.values())
        if (pod.readySince === undefined && pod.deadReason === undefined)
          put({ ...pod, readySince, ip: '127.1.2.3' })
    },
    change(uid: string, change: Partial<AgentPod>): void {
      const pod = real.get(uid)
      if (!pod) throw new Error(`no pod ${uid}`)
      put({ ...pod, ...change })
    },
    /** The pod is gone for good; `absent`: no event says so, the informer's list only lacks it. */
    vanish(uid: string, options: { absent?: boolean } = {}): void {
      real.delete(uid)
      if (!lagging) show(uid, options)
    },
    /** The informer's list lacks every pod, although all are there. */
    listNothing(): void {
      for (const [uid, pod] of shown) {
        shown.delete(uid)
        for (const listener of listeners) listener({ pod, gone: true, absent: true })
      }
    },
    /** Pods that are being deleted are gone. */
    reap(): void {
      for (const pod of real.values()) if (pod.deletingSince !== undefined) this.vanish(pod.uid)
    },
    listeners: () => listeners.size,
    reads: () => reads,
    of: (kind: Write['kind']) => writes.filter((write) => write.kind === kind).map((write) => write.uid),
  }
}

export type FakePods = ReturnType<typeof createFakePods>

export function newPod(overrides: Partial<AgentPod> & { uid: string }): AgentPod {
  return {
    name: `name-${overrides.uid}`,
    agentType: 'echo-agent',
    ip: undefined,
    nodeName: 'local',
    createdAt: 0,
    deletingSince: undefined,
    readySince: undefined,
    deadReason: undefined,
    waitingReason: undefined,
    containerId: 'c1',
    templateHash: undefined,
    assignKeyIds: ['k1'],
    stateLabel: 'idle',
    sessionLabel: undefined,
    ...overrides,
  }
}
