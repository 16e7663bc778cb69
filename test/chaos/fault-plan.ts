import type { ProxyMode } from '../../bed/servers/tcp-proxy.ts'
import { createSeededRandom, type SeededRandom } from '../support/seeded-random.ts'

/** What is done to the bed, and when: all of it follows from the seed. */

type KillTarget = 'api' | 'agent' | 'controller' | 'webhook' | 'redis' | 'postgres' | 'kube-apiserver'

export type Fault =
  /** SIGKILL; a server is started again at once, Redis empty. */
  | { readonly kind: 'kill'; readonly target: KillTarget }
  /** SIGSTOP, then SIGCONT. */
  | { readonly kind: 'pause'; readonly target: 'api' | 'controller' | 'redis'; readonly forMs: number }
  /** Immediate shutdown of PostgreSQL, started again after `forMs`. */
  | { readonly kind: 'stop-postgres'; readonly forMs: number }
  | { readonly kind: 'flush-redis' }
  /** `kubectl delete pod` of any pod, claimed or not. */
  | { readonly kind: 'delete-pod' }
  /** A pod with the labels of a pool that the controller did not make, also put into the index. */
  | { readonly kind: 'stranger' }
  | {
      readonly kind: 'network'
      readonly target: 'redis' | 'postgres'
      readonly mode: ProxyMode | 'cut'
      readonly forMs: number
      readonly delayMs: number
    }

export interface PlannedFault {
  readonly atMs: number
  readonly fault: Fault
  /** Which one of several, as a share: 0 is the first, just below 1 the last. */
  readonly pick: number
}

/** Two a second would leave no time in which a claim can succeed; one in two seconds would let everything heal. */
const everyMs = 1_000

/** Every second fault is a kill, so that 120 s have about sixty. */
export function planFaults(seed: number, seconds: number): readonly PlannedFault[] {
  const random = createSeededRandom(seed)
  const plan: PlannedFault[] = []
  for (let tick = 0; tick * everyMs < seconds * 1_000; tick += 1) {
    const fault = tick % 2 === 0 ? kill(random, plan) : other(random, plan)
    plan.push({
      atMs: Math.round(tick * everyMs + random.between(0, everyMs)),
      fault,
      pick: random.between(0, 1),
    })
  }
  return plan
}

/**
 * The API server takes five seconds to come back, and a killed controller's lease fifteen to lapse: struck more often,
 * there would never be a new pod, and nothing but an empty pool would be tested.
 */
const restMs: Partial<Record<KillTarget, number>> = { 'kube-apiserver': 40_000, controller: 35_000 }

function kill(random: SeededRandom, before: readonly PlannedFault[]): Fault {
  const target = random.weighted<KillTarget>([
    ['api', 32],
    ['agent', 30],
    ['controller', 8],
    ['webhook', 8],
    ['redis', 10],
    ['postgres', 7],
    ['kube-apiserver', 5],
  ])
  return { kind: 'kill', target: isResting(target, before) ? 'api' : target }
}

function isResting(target: KillTarget, before: readonly PlannedFault[]): boolean {
  const since = (before.at(-1)?.atMs ?? 0) - (restMs[target] ?? 0)
  return (
    target in restMs &&
    before.some(({ atMs, fault }) => atMs > since && 'target' in fault && fault.target === target)
  )
}

function other(random: SeededRandom, before: readonly PlannedFault[]): Fault {
  const kind = random.weighted<Fault['kind']>([
    ['pause', 25],
    ['network', 35],
    ['delete-pod', 15],
    ['flush-redis', 15],
    ['stranger', 15],
    ['stop-postgres', 10],
  ])
  switch (kind) {
    case 'pause': {
      const target = random.pick<'api' | 'controller' | 'redis'>(['api', 'api', 'controller', 'redis'])
      // From less than a probe's time-out to longer than a reservation, a replica's heartbeat and a delivery.
      const forMs = whole(random, 300, 7_000)
      return { kind, target: isResting(target, before) ? 'api' : target, forMs }
    }
    case 'network':
      return {
        kind,
        target: random.pick(['redis', 'postgres']),
        mode: random.pick(['half-open', 'drop-replies', 'delay', 'refuse', 'cut']),
        forMs: whole(random, 200, 2_500),
        delayMs: whole(random, 20, 400),
      }
    case 'stop-postgres':
      return { kind, forMs: whole(random, 200, 2_500) }
    case 'delete-pod':
    case 'stranger':
      return { kind }
    case 'kill':
    case 'flush-redis':
      return { kind: 'flush-redis' }
  }
}

function whole(random: SeededRandom, least: number, below: number): number {
  return Math.floor(random.between(least, below))
}

export function describeFault(fault: Fault): string {
  switch (fault.kind) {
    case 'kill':
      return `kill -9 ${fault.target}`
    case 'pause':
      return `SIGSTOP ${fault.target} for ${fault.forMs} ms`
    case 'stop-postgres':
      return `postgres stopped at once, for ${fault.forMs} ms`
    case 'network': {
      if (fault.mode === 'cut') return `${fault.target}: connections cut`
      const delay = fault.mode === 'delay' ? ` of ${fault.delayMs} ms` : ''
      return `${fault.target}: ${fault.mode}${delay} for ${fault.forMs} ms`
    }
    case 'delete-pod':
      return 'pod deleted by hand'
    case 'flush-redis':
      return 'redis FLUSHALL'
    case 'stranger':
      return 'a pod with the labels of the pool, made by somebody else'
  }
}
