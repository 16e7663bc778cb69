import type { AgentPod } from '../../src/domain/agent-pod.ts'
import type { SlotView } from '../../src/domain/pool-observation.ts'
import type { PodClaim } from '../../src/domain/slot.ts'

/** A running, unready, unclaimed pod of pool `echo-agent`; say only what matters to the test. */
export function agentPod(uid: string, overrides: Partial<AgentPod> = {}): AgentPod {
  return {
    uid,
    name: `echo-agent-${uid}`,
    agentType: 'echo-agent',
    ip: '127.1.2.3',
    nodeName: 'local',
    createdAt: 1_000,
    deletingSince: undefined,
    readySince: undefined,
    deadReason: undefined,
    containerId: undefined,
    templateHash: 'current',
    assignKeyIds: [],
    stateLabel: undefined,
    sessionLabel: undefined,
    ...overrides,
  }
}

export function podClaim(podUid: string, overrides: Partial<PodClaim> = {}): PodClaim {
  return {
    podUid,
    purpose: 'session',
    sessionId: 'session-1',
    sessionStatus: 'ACTIVE',
    epoch: 1,
    reason: undefined,
    claimedAt: 2_000,
    ...overrides,
  }
}

export function retiredClaim(podUid: string): PodClaim {
  return podClaim(podUid, {
    purpose: 'retired',
    sessionId: undefined,
    sessionStatus: undefined,
    epoch: undefined,
    reason: 'surplus',
  })
}

/** A slot in the given state, with the claim that this state needs. */
export function slotView(
  podUid: string,
  state: SlotView['state'],
  overrides: Partial<SlotView> = {},
): SlotView {
  return {
    podUid,
    name: `echo-agent-${podUid}`,
    state,
    createdAt: 1_000,
    readySince: state === 'ready' || state === 'claimed' ? 2_000 : undefined,
    deletingSince: state === 'draining' ? 3_000 : undefined,
    drifted: false,
    deadReason: state === 'failed' ? 'pod phase Failed' : undefined,
    trouble: undefined,
    origin: 'ours',
    claim: state === 'claimed' ? podClaim(podUid) : undefined,
    ...overrides,
  }
}
