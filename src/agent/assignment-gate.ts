import type { Assignment } from '../domain/assign-contract.ts'
import type { TraceContext } from '../domain/trace-context.ts'
import { AgentError } from './agent-error.ts'

/** What a pod is doing. It serves at most one session, ever: nothing leads back to `idle`. */
type AgentState = 'starting' | 'idle' | 'assigning' | 'serving' | 'failed' | 'leaving'

/** The one place that decides whether this pod takes an assignment. */
export interface AssignmentGate {
  state(): AgentState
  /** Set-up is complete. */
  open(): void
  /** No assignment is taken from now on; the one that is there stays known. */
  leave(): void
  /**
   * Takes the first assignment and runs it once. The same session and epoch again waits for that run and shares its
   * outcome. @throws AgentError AGENT_OTHER_SESSION, AGENT_ENDING, AGENT_NOT_READY, AGENT_HANDLER_FAILED
   */
  accept(assignment: Assignment, trace?: TraceContext): Promise<void>
  /** True if this pod serves (or begins to serve) this session in this epoch. */
  holds(sessionId: string, epoch: number): boolean
  /**
   * True if this pod has taken this session in this epoch. With `seal` the answer is the last word: an assignment under way
   * is waited for, and a pod that has none takes none from now on.
   */
  confirms(sessionId: string, epoch: number, seal: boolean): Promise<boolean>
  /** The session being served; undefined before the assignment is complete and after a failed one. */
  serving(): Assignment | undefined
}

export function createAssignmentGate(
  run: (assignment: Assignment, trace: TraceContext | undefined) => Promise<void>,
): AssignmentGate {
  let state: AgentState = 'starting'
  let held: { readonly assignment: Assignment; readonly done: Promise<void> } | undefined
  let served: Assignment | undefined
  // A function, because the compiler assumes that the state does not change across an await.
  const isLeaving = (): boolean => state === 'leaving'
  const holds = (sessionId: string, epoch: number): boolean =>
    held?.assignment.sessionId === sessionId && held.assignment.epoch === epoch

  async function runOnce(assignment: Assignment, trace: TraceContext | undefined): Promise<void> {
    state = 'assigning'
    try {
      await run(assignment, trace)
    } catch {
      if (!isLeaving()) state = 'failed'
      throw new AgentError('AGENT_HANDLER_FAILED')
    }
    // The pod was told to leave meanwhile: the session should go to another one.
    if (isLeaving()) throw new AgentError('AGENT_NOT_READY', 'the pod is shutting down')
    served = assignment
    state = 'serving'
  }

  return {
    state: () => state,
    open() {
      if (state === 'starting') state = 'idle'
    },
    leave() {
      state = 'leaving'
    },
    async accept(assignment, trace) {
      if (held && !holds(assignment.sessionId, assignment.epoch)) throw new AgentError('AGENT_OTHER_SESSION')
      if (state === 'leaving') throw new AgentError(held ? 'AGENT_ENDING' : 'AGENT_NOT_READY')
      if (state === 'starting') throw new AgentError('AGENT_NOT_READY')
      held ??= { assignment, done: runOnce(assignment, trace) }
      await held.done
    },
    holds,
    async confirms(sessionId, epoch, seal) {
      if (seal && !held) state = 'leaving'
      if (!holds(sessionId, epoch)) return false
      // Its failure is the answer to whoever assigned. Here it only means that nothing was taken.
      if (seal) await held?.done.catch(() => undefined)
      return served !== undefined
    },
    serving: () => served,
  }
}
