import t from 'tap'
import { until } from '../../bed/processes/until.ts'
import type { Wake } from '../../src/domain/index-ports.ts'
import { createSubscriber } from '../../src/stores/redis-client.ts'
import { wakeChannel } from '../../src/stores/redis-keys.ts'
import { createRedisWakeBus } from '../../src/stores/redis-wake-bus.ts'
import { keptLog, silent } from '../support/kept-log.ts'
import { redisFor, startIndexServer } from './store-servers.ts'

const server = await startIndexServer(t)

async function startBus(logger = silent) {
  const publisher = await redisFor(t, server.url)
  const subscriber = createSubscriber(server.url, silent)
  t.teardown(() => subscriber.disconnect())
  const bus = createRedisWakeBus({ publisher, subscriber, logger })
  const heard: Wake[] = []
  bus.subscribe((wake) => heard.push(wake))
  await bus.start()
  // Pub/sub keeps nothing: what is published before the subscription is there is lost.
  await until('subscribed', async () => {
    const [, count] = (await publisher.pubsub('NUMSUB', wakeChannel)) as [string, number]
    return count > 0
  })
  return { bus, publisher, heard }
}

void t.test('a wake-up reaches every process, and its own', async (t) => {
  const [one, other] = [await startBus(), await startBus()]
  const wake: Wake = { kind: 'claimed', agentType: 'echo-agent' }
  await until('both listen', async () => {
    one.bus.publish(wake)
    return one.heard.length > 0 && other.heard.length > 0
  })
  t.same(one.heard[0], wake)
  t.same(other.heard[0], wake)
})

void t.test('what is no wake-up is passed over; a listener that throws disturbs no other', async (t) => {
  const { logger, lines } = keptLog()
  const { bus, publisher, heard } = await startBus(logger)
  bus.subscribe(() => {
    throw new Error('careless listener')
  })
  const late: Wake[] = []
  const unsubscribe = bus.subscribe((wake) => late.push(wake))
  const seen = heard.length
  for (const text of ['', '{', 'null', '[]', '{"kind":"other"}']) await publisher.publish(wakeChannel, text)
  bus.publish({ kind: 'ended', sessionId: 's1' })
  await until('the last one', () => late.length === 1)
  t.same(heard.slice(seen), [{ kind: 'ended', sessionId: 's1' }])
  t.match(lines.join(''), /wake listener failed/)
  unsubscribe()
  bus.publish({ kind: 'ended', sessionId: 's2' })
  await until('the next one', () => heard.length === seen + 2)
  t.equal(late.length, 1)
})

void t.test('the bus survives a restart of Redis; meanwhile it wakes its own process', async (t) => {
  const { bus, heard } = await startBus()
  await server.kill()
  await until('woken at home', () => {
    bus.publish({ kind: 'indexed', agentType: 'home' })
    return heard.some((wake) => wake.kind === 'indexed' && wake.agentType === 'home')
  })
  await server.restart({ flush: true })
  const other = await startBus()
  await until('woken by the other process', () => {
    other.bus.publish({ kind: 'ending', sessionId: 's9' })
    return heard.some((wake) => wake.kind === 'ending')
  })
  t.pass('subscribed again without being asked')
})
