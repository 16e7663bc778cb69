import { type Static, Type } from 'typebox'
import { type LimitedProject, ProjectId, ProjectLimits } from '../domain/project-limits.ts'
import { GreenroomError } from '../errors.ts'
import type { Service } from '../serving/service.ts'
import type { ProjectLimitsView } from '../sessions/project-limits-view.ts'
import { refusals } from './api-schemas.ts'
import { callerOf } from './project-of.ts'
import { unstorableReason } from './storable-json.ts'

const closed = { additionalProperties: false } as const
const ProjectParams = Type.Object({ id: ProjectId })

/** Of a project without limits, `limits` is empty. */
const LimitsView = Type.Object({
  projectId: Type.String(),
  limits: Type.Object(ProjectLimits.properties, closed),
  usage: Type.Optional(
    Type.Object(
      { sessions: Type.Integer({ minimum: 0, description: 'Sessions that are not ENDED.' }) },
      { description: 'Present while maxSessions is set.' },
    ),
  ),
  changedAt: Type.Optional(Type.String({ format: 'date-time' })),
})
export type LimitsView = Static<typeof LimitsView>

const LimitsList = Type.Object({
  projects: Type.Array(LimitsView),
  nextCursor: Type.Optional(Type.String({ description: 'There are more.' })),
})
export type LimitsList = Static<typeof LimitsList>

const ListQuery = Type.Object(
  {
    limit: Type.Integer({ minimum: 1, maximum: 200, default: 50 }),
    cursor: Type.Optional(ProjectId),
  },
  closed,
)

const config = { needs: 'admin', everyProject: true } as const
const tags = ['projects']

/** Who may set limits: whoever may act for every project. A project does not raise its own. */
export function addLimitRoutes(app: Service, limits: ProjectLimitsView): void {
  app.get(
    '/v1/limits',
    {
      config: { ...config, canWait: true },
      schema: {
        operationId: 'listLimits',
        summary: 'The projects that have limits',
        tags,
        querystring: ListQuery,
        response: { 200: LimitsList, ...refusals },
      },
    },
    async (request) => {
      const { limit, cursor } = request.query
      const found = await limits.list({ after: cursor, limit: limit + 1 })
      const projects = found.slice(0, limit).map(limitsView)
      const nextCursor = found.length > limit ? projects.at(-1)?.projectId : undefined
      return { projects, ...(nextCursor !== undefined && { nextCursor }) }
    },
  )
  app.get(
    '/v1/projects/:id/limits',
    {
      config,
      schema: {
        operationId: 'readLimits',
        summary: 'The limits of a project',
        tags,
        params: ProjectParams,
        response: { 200: LimitsView, ...refusals },
      },
    },
    async (request) => {
      const projectId = projectIdOf(request)
      const found = await limits.get(projectId)
      return found ? limitsView(found) : { projectId, limits: {} }
    },
  )
  addChanges(app, limits)
}

function addChanges(app: Service, limits: ProjectLimitsView): void {
  app.put(
    '/v1/projects/:id/limits',
    {
      config,
      schema: {
        operationId: 'setLimits',
        summary: 'Set the limits of a project: those that are left out are removed',
        description:
          'In force in every replica within a second; without Redis, opensPerMinute and maxWaiting within 10 s. Sessions beyond a lowered maxSessions stay until they end.',
        tags,
        params: ProjectParams,
        body: ProjectLimits,
        response: { 200: LimitsView, ...refusals },
      },
    },
    async (request) => limitsView(await limits.set(projectIdOf(request), request.body, callerOf(request))),
  )
  app.delete(
    '/v1/projects/:id/limits',
    {
      config,
      schema: {
        operationId: 'removeLimits',
        summary: 'Remove the limits of a project',
        tags,
        params: ProjectParams,
        response: { 200: LimitsView, ...refusals },
      },
    },
    async (request) => {
      const projectId = projectIdOf(request)
      await limits.remove(projectId, callerOf(request))
      return { projectId, limits: {} }
    },
  )
}

function projectIdOf({ params: { id } }: { readonly params: { readonly id: string } }): string {
  const unfit = unstorableReason(id)
  if (unfit) throw new GreenroomError('GRN_INVALID_REQUEST', `The id of the project ${unfit}.`)
  return id
}

function limitsView({ projectId, limits, sessions, changedAt }: LimitedProject): LimitsView {
  return {
    projectId,
    limits,
    ...(sessions !== undefined && { usage: { sessions } }),
    changedAt: new Date(changedAt).toISOString(),
  }
}
