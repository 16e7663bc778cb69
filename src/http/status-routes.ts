import { StatusReport } from '../domain/status-report.ts'
import type { Service } from '../serving/service.ts'
import type { ReadStatus } from '../sessions/read-status.ts'
import { refusals } from './api-schemas.ts'
import { projectOf } from './project-of.ts'

export function addStatusRoutes(app: Service, readStatus: ReadStatus): void {
  app.get(
    '/v1/status',
    {
      config: { needs: 'pools:read' },
      schema: {
        operationId: 'readStatus',
        summary: 'Whether everything is well, what is not, and what to type',
        description:
          'Each part is asked on its own within a second. One that could not be asked is `unknown`. Answers are shared for 1.5 s. A credential that is bound to a project sees no problems, and of the parts only their states.',
        tags: ['status'],
        response: { 200: StatusReport, ...refusals },
      },
    },
    async (request) => readStatus(projectOf(request)),
  )
}
