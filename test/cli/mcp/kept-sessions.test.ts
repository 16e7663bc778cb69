import t from 'tap'
import { until } from '../../../bed/processes/until.ts'
import { createSessionKeeper } from '../../../src/cli/mcp/kept-sessions.ts'
import { createClient } from '../../../src/client/client.ts'

/** A session server that opens, and answers an end as it is told; what a real one cannot do on demand. */
function serverThat(ends: () => Response) {
  const ended: string[] = []
  let opened = 0
  const view = (id: string, status: string) => ({
    id,
    status,
    agentType: 'echo-agent',
    roomName: 'lobby',
    epoch: 1,
    lease: { expiresAt: new Date().toISOString(), renewAfterMs: 60_000, heldBy: 'caller' },
    createdAt: new Date().toISOString(),
  })
  const client = createClient({
    url: 'http://greenroom.test',
    fetch: (async (url: string, { method = 'GET' } = {}) => {
      if (method === 'POST') return Response.json(view(`session-${(opened += 1)}`, 'ACTIVE'), { status: 201 })
      ended.push(new URL(url).pathname.split('/').at(-1) ?? '')
      return ends()
    }) as typeof fetch,
  })
  return { client, ended, over: (id: string) => Response.json(view(id, 'ENDED')) }
}

void t.test('a session that nobody asks for any more is ended', async (t) => {
  const server = serverThat(() => server.over('session-1'))
  const keeper = createSessionKeeper(20)
  const sessions = keeper.of('ann')
  sessions.keep(await server.client.open({ agentType: 'echo-agent' }))
  await until('the end', () => server.ended.length === 1)
  await until('nothing is kept', () => sessions.size() === 0)
  t.same(server.ended, ['session-1'])
})

void t.test('each caller has its own, and what cannot be ended is named and kept no longer', async (t) => {
  const refusal = { code: 'GRN_FORBIDDEN', detail: 'Not with this key.' }
  const server = serverThat(() => Response.json(refusal, { status: 403 }))
  const keeper = createSessionKeeper()
  const [ann, bob] = [keeper.of('ann'), keeper.of('bob')]
  ann.keep(await server.client.open({ agentType: 'echo-agent' }))
  t.equal(bob.size(), 0)
  t.equal(await bob.end('session-1'), undefined)
  const words = { text: 'hello', waitMs: 1, signal: new AbortController().signal }
  await t.rejects(bob.say('session-1', words), { code: 'GRN_NOT_OPENED_HERE' })
  await t.rejects(ann.end('session-1'), { code: 'GRN_FORBIDDEN' })
  t.same(await keeper.endAll(), ['session-1'])
  t.equal(ann.size(), 0)
})
