import { randomUUID } from 'node:crypto'
import type { Bed } from '../../bed/bed.ts'
import { until } from '../../bed/processes/until.ts'
import { type AnswerBody, createBedClient } from '../../bed/replicas/bed-client.ts'

export const agentType = 'echo-agent'
/** The agents of a pool start one after the other on a small machine. */
const fillTimeoutMs = 60_000

/** A caller of the session API of a bed, who also looks at the cluster as its administrator. */
export function createSessionCaller(bed: Bed) {
  const client = createBedClient({ url: bed.apiUrls[0] ?? '', apiKey: bed.apiKey })

  async function kubectl(...args: string[]): Promise<string> {
    const { code, stdout, stderr } = await bed.plane.kubectl([...args, '-n', bed.namespace])
    if (code !== 0) throw new Error(stderr)
    return stdout
  }

  return {
    client,
    kubectl,
    /** With a key unless the test gives headers of its own: its agent keeps such a session, whatever the caller does. */
    open: async (
      body: object = {},
      headers: Record<string, string> = { 'idempotency-key': randomUUID() },
    ): Promise<AnswerBody> => {
      const answer = await client.open({ agentType, ...body }, headers)
      if (answer.status !== 201) throw new Error(`open answered ${answer.status}: ${answer.text}`)
      return answer.body
    },
    untilEnded: (id: string): Promise<AnswerBody> =>
      until('the end', async () => {
        const { body } = await client.read(id)
        return body.status === 'ENDED' && body
      }),
    untilIdle: async (count: number): Promise<void> => {
      const isIdle = async () => {
        const { body } = await client.pool(agentType)
        return body.ready === count && body.warming === 0 && body.draining === 0
      }
      await until(`${count} idle pods`, isIdle, fillTimeoutMs)
    },
    /** The policy lets pods of `type` have the image of the bed, which has the echo agent. */
    allowEchoIn: async (type: string): Promise<void> => {
      const changed = `allowed: [${type}, greenroom]`
      const { data } = JSON.parse(await kubectl('get', 'configmap', 'agent-policy', '-o', 'json'))
      const text = String(data['policy.yaml'])
        .replace('version: "1"', 'version: "2"')
        .replace(`allowed: [${type}]`, changed)
      const patch = JSON.stringify({ data: { 'policy.yaml': text } })
      await kubectl('patch', 'configmap', 'agent-policy', '--type=merge', '-p', patch)
      await until('the policy to be in force', async () => {
        const kept = JSON.parse(await kubectl('get', 'configmap', 'agent-policy-accepted', '-o', 'json'))
        return kept.data?.['policy.yaml']?.includes(changed)
      })
    },
    setPools: async (text: string): Promise<void> => {
      const patch = JSON.stringify({ data: { 'pools.yaml': text } })
      await kubectl('patch', 'configmap', 'agent-pools', '--type=merge', '-p', patch)
    },
  }
}
