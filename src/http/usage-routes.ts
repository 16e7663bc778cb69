import { type Static, Type } from 'typebox'
import { UsageBy, UsageReport } from '../domain/usage-report.ts'
import type { Service } from '../serving/service.ts'
import type { ReadUsage } from '../sessions/read-usage.ts'
import { refusals } from './api-schemas.ts'
import type { SignalOf } from './call-signals.ts'
import type { EnterListGate } from './list-gate.ts'
import { usageCsv } from './usage-csv.ts'

const Border = (description: string) => Type.String({ minLength: 1, maxLength: 40, description })

const UsageQuery = Type.Object(
  {
    from: Border('The begin, included: an RFC 3339 time with its zone, or a date for its midnight in UTC.'),
    to: Border('The end, excluded. It may be in the future: what exists is counted up to now.'),
    by: Type.Union(UsageBy.anyOf, { default: 'project', description: 'What each row stands for.' }),
    format: Type.Optional(
      Type.Union([Type.Literal('json'), Type.Literal('csv')], {
        description: 'Without it, CSV if Accept asks for text/csv, else JSON.',
      }),
    ),
    price: Type.Optional(
      Type.String({
        pattern: '^[0-9]{1,7}(\\.[0-9]{1,6})?$',
        description: 'Per pod-hour, for all pools, instead of their pricePerPodHour.',
      }),
    ),
  },
  { additionalProperties: false },
)
type UsageQuery = Static<typeof UsageQuery>

interface UsageRouteDeps {
  readonly readUsage: ReadUsage
  readonly signalOf: SignalOf
  readonly enterListGate: EnterListGate
}

export function addUsageRoutes(app: Service, { readUsage, signalOf, enterListGate }: UsageRouteDeps): void {
  const schema = {
    operationId: 'readUsage',
    summary: 'Pod time and cost of projects and pools in a window',
    description:
      'A pod counts from its creation to its end, and a session from its claim of a pod to its end; what still runs is counted up to now. The idle time of each pool is shared out in proportion to the session time in it. Rows add up to the total exactly.',
    tags: ['usage'],
    querystring: UsageQuery,
    response: {
      200: {
        description: 'The report.',
        content: {
          'application/json': { schema: UsageReport },
          'text/csv': { schema: Type.String() },
        },
      },
      ...refusals,
    },
  }
  const config = { needs: 'admin', everyProject: true, canWait: true } as const
  app.get('/v1/usage', { config, schema }, async (request, reply) => {
    const { from, to, by, format, price } = request.query
    await enterListGate(reply, signalOf(reply))
    const report = await readUsage({ from, to, by, price: price === undefined ? undefined : Number(price) })
    const asCsv = format === undefined ? prefersCsv(request.headers.accept) : format === 'csv'
    if (!asCsv) return reply.send(report)
    return reply
      .type('text/csv; charset=utf-8; header=present')
      .header(
        'content-disposition',
        `attachment; filename="usage-${from.slice(0, 10)}-${to.slice(0, 10)}.csv"`,
      )
      .send(usageCsv(report))
  })
}

/** Whether CSV is asked for by name, and before JSON. */
function prefersCsv(accept = ''): boolean {
  const types = accept.split(',').map((part) => part.split(';')[0]?.trim().toLowerCase())
  const csv = types.indexOf('text/csv')
  const json = types.indexOf('application/json')
  return csv >= 0 && (json < 0 || csv < json)
}
