import type { PolicyDocument } from '../admission/policy/policy-document.ts'
import type { RefusedVersion } from '../cluster/accepted-document.ts'
import type { DocumentWatch } from '../cluster/document-watch.ts'
import type { EventRecorder } from '../cluster/event-recorder.ts'
import type { PoolsDocument } from '../domain/pool.ts'
import { watchAssignKeys, watchPolicy } from './policy-watch.ts'
import { type WatchOptions, watchPools } from './pools-watch.ts'

interface DocumentsOptions extends Pick<WatchOptions, 'clients' | 'namespace' | 'logger' | 'examiner'> {
  readonly events: Pick<EventRecorder, 'record'>
}

/** Makes an Event of something about a document. */
export type Report = (about: 'pools' | 'policy', event: ReportedEvent) => void

interface ReportedEvent {
  readonly action: string
  readonly reason: string
  readonly note: string
}

/** The documents that the controller reads, and Events about them that `kubectl describe` shows. */
export function watchControllerDocuments({ events, examiner, ...where }: DocumentsOptions) {
  const onRejected =
    (about: 'pools' | 'policy') =>
    ({ problems }: RefusedVersion): void =>
      report(about, {
        action: 'Accept',
        reason: 'DocumentRejected',
        note: `refused; the last accepted document stays in force: ${problems.join('; ')}`,
      })
  const pools: DocumentWatch<PoolsDocument> = watchPools({
    ...where,
    keeps: true,
    onRejected: onRejected('pools'),
    ...(examiner && { examiner }),
  })
  // The webhook keeps the accepted policy.
  const policy: DocumentWatch<PolicyDocument> = watchPolicy({
    ...where,
    keeps: false,
    onRejected: onRejected('policy'),
  })
  const subjects = { pools, policy }
  const report: Report = (about, event) =>
    events.record({ ...event, type: 'Warning', regarding: subjects[about].subject() })
  return { pools, policy, assignKeys: watchAssignKeys(where), report }
}
