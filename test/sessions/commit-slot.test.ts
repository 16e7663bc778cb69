import t from 'tap'
import { until } from '../../bed/processes/until.ts'
import { poolKeys } from '../../src/stores/redis-keys.ts'
import { agentType } from './open-bed.ts'
import { startOpenServers } from './open-session-bed.ts'

const { startBed } = await startOpenServers(t)

void t.test(
  'a pod that another replica has just claimed for the same key is offered to nobody else',
  async (t) => {
    const { replica, sessions, index, redis, claims } = await startBed(t, 2)
    const overtaken = await replica({
      sessions: {
        ...sessions,
        async commitOpen(record) {
          t.match(await sessions.commitOpen(record), { kind: 'committed' }, 'by the other replica')
          return sessions.commitOpen(record)
        },
      },
    })
    const { session } = await overtaken.open({}, { idempotencyKey: 'k' })
    t.match(session, { status: 'ACTIVE', pod: { uid: 'pod-0' }, epoch: 1 })
    t.equal((await claims()).length, 1)
    t.equal(await index.size(agentType), 1, 'it has not gone back')
    await until(
      'its reservation to be gone, so that it does not come back by lapsing',
      async () => (await redis.hlen(poolKeys(agentType).reservations)) === 0,
    )
  },
)
