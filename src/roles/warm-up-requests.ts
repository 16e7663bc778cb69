import type { Service } from '../serving/service.ts'

/** As many as let the engine compile routing, authentication, validation, PostgreSQL's client and serialisation. */
const times = 40

/** A start is no trace that anybody looks for. */
const notKept = `00-${'1'.repeat(32)}-${'1'.repeat(16)}-00`

/** Reads before the first caller does, through everything but the socket; see {@link warmUpDeliveries}. */
export async function warmUpRequests(app: Service, apiKey: string): Promise<void> {
  const headers = { authorization: `Bearer ${apiKey}`, traceparent: notKept }
  for (let time = 0; time < times; time += 1) await app.inject({ url: '/v1/sessions?limit=1', headers })
}
