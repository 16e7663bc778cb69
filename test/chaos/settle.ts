import type { Bed } from '../../bed/bed.ts'
import { until } from '../../bed/processes/until.ts'
import { createBedClient } from '../../bed/replicas/bed-client.ts'
import { brokenInvariantsNow } from '../support/invariants.ts'

/** After the storm: everything comes back by itself, and what is open is given back. */

/** A controller that was killed holds its lease for a while; a webhook that is away delays every pod. */
const rolesBackMs = 60_000
/** A session takes at most its agent's grace period and 15 s to be over, and an elected controller before that. */
const sessionsOverMs = 100_000
const poolFullMs = 100_000
/** The slowest bound is that of a pod that will not go: removed within 60 s of its session's end. */
const invariantsMs = 75_000

/** Resolves with what did not come back, in words; empty when all is as it was before. */
export async function settle(
  bed: Bed,
  agentType: string,
  say: (line: string) => void,
): Promise<readonly string[]> {
  const client = createBedClient({
    url: bed.balancer?.url ?? bed.apiUrls[0] ?? '',
    apiKey: bed.apiKey,
    keepAlive: false,
    timeoutMs: 10_000,
  })
  const remains: string[] = []
  const step = async (what: string, look: () => Promise<boolean>, timeoutMs: number) => {
    const begun = performance.now()
    try {
      // A request that fails now is asked again until time is up.
      await until(what, () => look().catch(() => false), timeoutMs)
      say(`${what}: after ${((performance.now() - begun) / 1_000).toFixed(1)} s`)
    } catch {
      remains.push(`${what}: not within ${timeoutMs / 1_000} s`)
    }
  }

  async function live(): Promise<readonly string[]> {
    const ids: string[] = []
    for (const status of ['PENDING', 'ACTIVE', 'ENDING']) {
      const { status: code, body } = await client.call({
        method: 'GET',
        path: `/v1/sessions?limit=200&status=${status}`,
      })
      if (code !== 200) throw new Error(`the list answered ${code}`)
      if (status === 'ENDING' && body.sessions.length > 0) ids.push('ENDING')
      else ids.push(...body.sessions.map(({ id }) => id))
    }
    return ids
  }

  try {
    const replicas = bed.apiUrls.length
    await step('every replica ready', async () => bed.balancer?.ready().length === replicas, rolesBackMs)
    await step(
      'every session over',
      async () => {
        const ids = await live()
        await Promise.all(ids.filter((id) => id !== 'ENDING').map((id) => client.end(id)))
        return ids.length === 0
      },
      sessionsOverMs,
    )
    await step(
      'the pool full again',
      async () => {
        const { desired, ready, warming, claimed, draining, failed } = (await client.pool(agentType)).body
        return ready === desired.min && warming === 0 && claimed === 0 && draining === 0 && failed === 0
      },
      poolFullMs,
    )
    let violations: readonly unknown[] = []
    await step(
      'every invariant holds',
      async () => {
        violations = await brokenInvariantsNow(bed)
        return violations.length === 0
      },
      invariantsMs,
    )
    remains.push(...violations.map((violation) => JSON.stringify(violation)))
    if (remains.length > 0) remains.push(`the pool: ${(await client.pool(agentType)).text}`)
    return remains
  } finally {
    client.close()
  }
}
