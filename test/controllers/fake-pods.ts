import type { V1Pod } from '@kubernetes/client-node'
import type { ListedPod } from '../../src/controllers/pool-pods.ts'
import type { AgentPod } from '../../src/domain/agent-pod.ts'
import type { PodWriter } from '../../src/domain/cluster-ports.ts'
import type { PodWriteError } from '../../src/domain/pod-write-error.ts'
import { parseQuantity } from '../../src/domain/quantity.ts'
import { templateHash } from '../../src/domain/slot-pod.ts'
import { createFakePodView, newPod } from '../support/fake-pod-view.ts'
import { madeDigest } from '../support/noted-pods.ts'

/**
 * Pods in memory, with faults that a real API server does not produce on demand: a view that lags behind what is
 * there, events that are lost, writes that are refused or done without an answer.
 */

export type Write =
  | { readonly kind: 'create'; readonly uid: string }
  | { readonly kind: 'label'; readonly uid: string; readonly sessionId: string }
  | { readonly kind: 'resize'; readonly uid: string; readonly requests: Readonly<Record<string, string>> }
  | { readonly kind: 'delete'; readonly uid: string }

/** `after` tells whether a write is done although it fails: an answer that was lost. */
export interface Refusal {
  readonly error: Error
  readonly after?: boolean
}

export function createFakePods(now: () => number) {
  /** What the API server has, and what the informer shows of it. */
  const real = new Map<string, AgentPod>()
  const shown = createFakePodView()
  const writes: Write[] = []
  const refusals: Partial<Record<Write['kind'] | 'exists', Refusal>> = {}
  const objects: V1Pod[] = []
  let listFault: Error | undefined
  /** Dry runs so far, and their answers. */
  const trials: string[] = []
  const trialRefusals = new Map<string, PodWriteError>()
  let lagging = false
  let serial = 0
  let reads = 0

  function show(uid: string, { events = true, absent = false } = {}): void {
    const pod = real.get(uid)
    if (pod && events) shown.change(pod)
    else if (pod) shown.set(pod)
    else if (events) shown.remove(uid, { absent })
    else shown.drop(uid)
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

  const writer: PodWriter = {
    async create(agentType, spec) {
      const uid = `uid-${(serial += 1)}`
      write('create', () => {
        writes.push({ kind: 'create', uid })
        put(newPod({ uid, agentType, createdAt: now(), templateHash: templateHash(agentType, spec) }))
      })
      return { uid, name: `name-${uid}`, specDigest: madeDigest }
    },
    async wouldRefuse(agentType) {
      trials.push(agentType)
      return trialRefusals.get(agentType)
    },
    async wouldRefusePlain(agentType) {
      trials.push(`plain ${agentType}`)
      return trialRefusals.get(`plain ${agentType}`)
    },
    async labelClaimed({ uid }, sessionId) {
      const pod = real.get(uid)
      write('label', () => {
        writes.push({ kind: 'label', uid, sessionId })
        if (pod) put({ ...pod, stateLabel: 'claimed', sessionLabel: sessionId })
      })
      return pod !== undefined
    },
    async resize({ uid }, requests) {
      const pod = real.get(uid)
      write('resize', () => {
        writes.push({ kind: 'resize', uid, requests })
        const amounts = Object.entries(requests).map(([name, text]) => [name, parseQuantity(text) ?? 0n])
        if (pod?.agentTakes)
          put({ ...pod, agentTakes: { ...pod.agentTakes, requests: Object.fromEntries(amounts) } })
      })
      return pod !== undefined
    },
    async labelFailed({ uid }) {
      const pod = real.get(uid)
      write('label', () => {
        writes.push({ kind: 'label', uid, sessionId: '' })
        if (pod) put({ ...pod, stateLabel: 'failed' })
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
    async list(agentType) {
      if (refusals.exists) throw refusals.exists.error
      return [...real.values()].filter((pod) => pod.agentType === agentType).map(({ uid }) => uid)
    },
    async exists({ uid, name }) {
      reads += 1
      if (refusals.exists) throw refusals.exists.error
      return real.get(uid)?.name === name
    },
  }

  return {
    view: shown.view,
    writer,
    writes,
    trials,
    trialRefusals,
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
      for (const uid of new Set([...real.keys(), ...shown.view.all().map((pod) => pod.uid)]))
        show(uid, { events })
    },
    put,
    /** New pods get other UIDs than those of an earlier process. */
    continueFrom(before: { readonly serial: () => number }): void {
      serial = before.serial()
    },
    serial: () => serial,
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
      for (const { uid } of shown.view.all()) shown.remove(uid, { absent: true })
    },
    /** Pods that are being deleted are gone. */
    reap(): void {
      for (const pod of real.values()) if (pod.deletingSince !== undefined) this.vanish(pod.uid)
    },
    /** What a list of the API server would give; a test that needs whole pods puts them here. */
    objects,
    async list(): Promise<readonly ListedPod[]> {
      if (listFault) throw listFault
      return objects.flatMap((object) => {
        const pod = real.get(object.metadata?.uid ?? '')
        return pod ? [{ pod, object }] : []
      })
    },
    failLists(fault: Error | undefined): void {
      listFault = fault
    },
    listeners: shown.listeners,
    reads: () => reads,
    of: (kind: Write['kind']) => writes.filter((write) => write.kind === kind).map((write) => write.uid),
  }
}

export type FakePods = ReturnType<typeof createFakePods>
