import type { AgentDelivery } from '../../src/domain/cluster-ports.ts'
import type { Session } from '../../src/domain/session.ts'

/** Parts for tests in which no activation goes on behind its answer, so that no pod is asked for a session left PENDING. */

export const unasked: Pick<AgentDelivery, 'prepare' | 'confirm'> = {
  prepare: () => () => {},
  confirm: () => Promise.reject(new Error('no pod is asked here')),
}

export const noneBehind = { wait: async () => false }

export const settledAlready = {
  settled: async (session: Session) => session,
  settleFresh: async () => {},
}
