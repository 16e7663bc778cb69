import { AdmissionReport } from '../domain/admission-counts.ts'
import type { Service } from '../serving/service.ts'
import type { ReadAdmission } from '../sessions/read-admission.ts'
import { refusals } from './api-schemas.ts'

export function addAdmissionRoute(app: Service, readAdmission: ReadAdmission): void {
  app.get(
    '/v1/admission',
    {
      config: { needs: 'admin', everyProject: true },
      schema: {
        operationId: 'readAdmission',
        summary: 'What the webhook denied and changed in the last hour, by rule and namespace, and drift',
        tags: ['status'],
        response: { 200: AdmissionReport, ...refusals },
      },
    },
    async () => readAdmission(),
  )
}
