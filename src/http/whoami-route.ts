import { Type } from 'typebox'
import { type Scope, scopes } from '../domain/caller.ts'
import { GreenroomError } from '../errors.ts'
import type { Service } from '../serving/service.ts'
import { refusals } from './api-schemas.ts'

const CallerView = Type.Object({
  kind: Type.String({ description: 'bootstrap-key, api-key, oidc, service-account.' }),
  id: Type.String({ description: 'Which key, or which subject of which issuer. Nothing of it is secret.' }),
  projectId: Type.Optional(Type.String({ description: 'Absent: every project.' })),
  scopes: Type.Array(Type.Unsafe<Scope>(Type.Union(scopes.map((scope) => Type.Literal(scope))))),
})

/** For pages and programs that offer only what their credential is good for. */
export function addWhoamiRoute(app: Service): void {
  const schema = {
    operationId: 'whoami',
    summary: 'Whose credential this is, and what it is good for',
    tags: ['keys'],
    response: { 200: CallerView, ...refusals },
  }
  app.get('/v1/whoami', { config: { needs: 'any' }, schema }, async ({ caller }) => {
    if (!caller) throw new GreenroomError('GRN_UNAUTHENTICATED')
    const { kind, id, projectId } = caller
    return { kind, id, scopes: [...caller.scopes], ...(projectId !== undefined && { projectId }) }
  })
}
