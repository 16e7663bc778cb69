import { SessionTimeline, type TimelineReader, timelineOf } from '../domain/session-timeline.ts'
import type { Service } from '../serving/service.ts'
import { refusals, SessionParams } from './api-schemas.ts'
import { projectOf } from './project-of.ts'
import { sessionIdOf, sessionNotFound } from './session-view.ts'

export function addTimelineRoute(app: Service, timelines: TimelineReader): void {
  app.get(
    '/v1/sessions/:id/timeline',
    {
      config: { needs: 'sessions:read' },
      schema: {
        operationId: 'readTimeline',
        summary: 'The course of a session, step by step, with how long each took',
        description: 'Kept as long as the session, so after its end too: GREENROOM_RETENTION_HOURS.',
        tags: ['sessions'],
        params: SessionParams,
        response: { 200: SessionTimeline, ...refusals },
      },
    },
    async (request) => {
      const course = await timelines.course(sessionIdOf(request.params), projectOf(request))
      if (!course) throw sessionNotFound(request.params.id)
      return timelineOf(course)
    },
  )
}
