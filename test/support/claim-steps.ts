import type { AgentDelivery } from '../../src/domain/cluster-ports.ts'
import type { SessionStore } from '../../src/domain/session-ports.ts'

/**
 * Stops an open between two of its steps, so that a test can let something else happen there. `commit`: a slot is
 * reserved; `deliver`: the row is written; `activate`: the agent has acknowledged; `answer`: the session is ACTIVE.
 */
export type ClaimStep = 'commit' | 'deliver' | 'activate' | 'answer'

export function createStepGate(onHeld: (step: ClaimStep) => void = () => undefined) {
  const closed = new Map<ClaimStep, PromiseWithResolvers<void>>()
  const arrivals = new Map<ClaimStep, number>()

  return {
    /** From now on every open stops at this step. */
    hold(step: ClaimStep): void {
      closed.set(step, Promise.withResolvers())
      arrivals.set(step, 0)
    },
    release(step: ClaimStep): void {
      closed.get(step)?.resolve()
      closed.delete(step)
    },
    /** How many have come to this step since it was closed. */
    held: (step: ClaimStep): number => arrivals.get(step) ?? 0,
    async pass(step: ClaimStep): Promise<void> {
      const gate = closed.get(step)
      if (!gate) return
      arrivals.set(step, (arrivals.get(step) ?? 0) + 1)
      onHeld(step)
      await gate.promise
    },
  }
}

export type StepGate = ReturnType<typeof createStepGate>

/** The store as a replica whose steps are held sees it. */
export function heldStore(sessions: SessionStore, gate: StepGate): SessionStore {
  return {
    ...sessions,
    async commitOpen(record) {
      await gate.pass('commit')
      return sessions.commitOpen(record)
    },
    async commitTogether(records) {
      await gate.pass('commit')
      return sessions.commitTogether(records)
    },
    async commitNextAttempt(session, next) {
      await gate.pass('commit')
      return sessions.commitNextAttempt(session, next)
    },
    async activate(id, epoch, steps) {
      await gate.pass('activate')
      const times = await sessions.activate(id, epoch, steps)
      await gate.pass('answer')
      return times
    },
  }
}

export function heldDelivery(delivery: AgentDelivery, gate: StepGate): AgentDelivery {
  return {
    ...delivery,
    async assign(pod, assignment, deadlineMs) {
      await gate.pass('deliver')
      return delivery.assign(pod, assignment, deadlineMs)
    },
  }
}
