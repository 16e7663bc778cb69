import type { SessionStore } from '../domain/session-ports.ts'
import type { TimelineReader } from '../domain/session-timeline.ts'
import type { ActivationsBehind } from './activations-behind.ts'

interface ReadTimelineDeps {
  readonly timelines: TimelineReader
  /** Settles a session that its caller may have been told of. */
  readonly sessions: Pick<SessionStore, 'get'>
  readonly behind: Pick<ActivationsBehind, 'wait'>
}

/** GET /v1/sessions/:id/timeline: the course of a session, with the activation that its caller knows of already. */
export function createReadTimeline({ timelines, sessions, behind }: ReadTimelineDeps): TimelineReader {
  return {
    async course(id, projectId) {
      await behind.wait(id)
      const course = await timelines.course(id, projectId)
      if (!course || course.activeAt !== undefined || course.endingAt !== undefined) return course
      await sessions.get(id, projectId)
      return timelines.course(id, projectId)
    },
  }
}
