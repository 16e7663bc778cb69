import t from 'tap'
import { startBed } from '../../bed/bed.ts'
import { poolsDocument } from '../../bed/pools-document.ts'
import { until } from '../../bed/processes/until.ts'
import { createSessionCaller } from './session-caller.ts'

/** Everything of Greenroom starts in the wrong order, on servers that are late or never come. */

// Three times a pool is filled, and every process starts three times.
t.setTimeout(300_000)
const min = 2
const bed = await startBed({
  pools: poolsDocument({ min, max: 12 }),
  // Nothing listens there, ever: LiveKit is configured and never comes.
  apiEnv: liveKitNowhere(),
  controllerEnv: liveKitNowhere(),
})
const caller = createSessionCaller(bed)
const { client, kubectl } = caller
t.teardown(async () => {
  client.close()
  await bed.stop()
})

function liveKitNowhere(): Record<string, string> {
  return {
    LIVEKIT_URL: 'ws://127.0.0.1:9',
    LIVEKIT_API_KEY: 'key',
    LIVEKIT_API_SECRET: 'secret-of-nowhere-at-all-32-chars',
  }
}

const processOf = (name: string) => {
  const role = bed.roles.get(name)
  if (!role) throw new Error(`no role ${name}`)
  return role
}

/** SIGSTOP holds a process as if it had not been started: it is there and answers nobody. */
async function whileHeld(name: string, work: () => Promise<void>): Promise<void> {
  const pid = processOf(name).pid()
  process.kill(pid, 'SIGSTOP')
  try {
    await work()
  } finally {
    process.kill(pid, 'SIGCONT')
  }
}

async function openAndEnd(): Promise<void> {
  const session = await caller.open({ onEmpty: 'wait', waitMs: 20_000 })
  await client.end(session.id, '?wait=true')
}

void t.test('LiveKit never comes: sessions are opened, kept and ended all the same', async (t) => {
  await caller.untilIdle(min)
  const session = await caller.open()
  t.match(session.livekit, { url: 'ws://127.0.0.1:9' }, 'its token is made here')
  t.equal((await client.renew(session.id, session.epoch)).status, 200)
  t.equal((await client.end(session.id, '?wait=true')).body.status, 'ENDED')
})

void t.test(
  'the controller before the webhook: no pod gets in unjudged, and the pool fills when it comes',
  async (t) => {
    await caller.untilIdle(min)
    await whileHeld('webhook', async () => {
      await processOf('controller').restart('SIGKILL')
      await kubectl('delete', 'pods', '-l', 'greenroom.dev/state=idle', '--wait=false')
      await until(
        'the pool to say why',
        async () => (await client.pool('echo-agent')).body.problem?.cause === 'webhook',
        60_000,
      )
      t.equal((await client.pool('echo-agent')).body.ready, 0)
    })
    await caller.untilIdle(min)
    await openAndEnd()
  },
)

void t.test('the webhook before the controller: the pool fills when it comes', async (t) => {
  await whileHeld('controller', async () => {
    await processOf('webhook').restart('SIGKILL')
    t.ok(processOf('webhook').isRunning())
  })
  await caller.untilIdle(min)
  await openAndEnd()
  t.pass()
})

void t.test('the database is late: every role starts without it, and waits', async (t) => {
  await caller.untilIdle(min)
  await bed.postgres.stop()
  const before = ['controller', 'api-1'].map((name) => processOf(name).pid())
  for (const pid of before) process.kill(pid, 'SIGKILL')
  await until('both are started again', () =>
    ['controller', 'api-1'].every(
      (name) => processOf(name).isRunning() && !before.includes(processOf(name).pid()),
    ),
  )
  t.notOk(await client.isReady(), 'not ready without it')
  await bed.postgres.restart()
  await until('the API to be ready', () => client.isReady(), 60_000)
  await caller.untilIdle(min)
  await openAndEnd()
  t.pass()
})
