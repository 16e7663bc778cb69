import type { DocumentView } from '../domain/cluster-ports.ts'
import type { EventLog } from '../domain/event-ports.ts'
import type { PoolsDocument } from '../domain/pool.ts'

interface ConfigEventsDeps {
  readonly log: Pick<EventLog, 'note'>
  readonly pools: Pick<DocumentView<PoolsDocument>, 'status'>
}

/** A document may have thousands of problems; the first ones tell what to correct. */
const mostProblems = 20
const longestProblem = 300

/** Tells followers which version of agent-pools was accepted or refused: each version once, whoever leads. */
export function createConfigEvents({ log, pools }: ConfigEventsDeps) {
  let told: string | undefined

  async function tell(outcome: 'accepted' | 'refused', version: string, problems?: readonly string[]) {
    const shown = problems?.slice(0, mostProblems).map((problem) => problem.slice(0, longestProblem))
    const event = { type: 'pool.config', outcome, version, ...(shown && { problems: shown }) } as const
    await log.note(event, `pool.config ${outcome} ${version}`)
  }

  /** To be called often; it writes only when there is news. */
  return async function look(): Promise<void> {
    const { seen, applied, problems } = pools.status()
    const now = `${applied} ${problems ? seen : ''}`
    if (now === told) return
    if (applied !== undefined) await tell('accepted', applied)
    if (problems && seen !== undefined) await tell('refused', seen, problems)
    told = now
  }
}

export type ConfigEvents = ReturnType<typeof createConfigEvents>
