import { createHash } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { AdmissionregistrationV1Api } from '@kubernetes/client-node'
import { TokenVerifier } from 'livekit-server-sdk'
import t from 'tap'
import { startBed } from '../../bed/bed.ts'
import { poolsDocument } from '../../bed/pools-document.ts'
import { until } from '../../bed/processes/until.ts'
import { createBedClient } from '../../bed/replicas/bed-client.ts'
import { echoTo } from '../../bed/replicas/echo-conversation.ts'
import { pidOfPod } from '../support/pod-process.ts'
import { agentType, createSessionCaller } from './session-caller.ts'

/** A claim from end to end, as a frontend, a security engineer and ops see it. Every part is real. */

const liveKit = {
  url: 'ws://livekit.example:7880',
  apiKey: 'devkey',
  apiSecret: 'a-secret-of-at-least-32-characters!',
}
const min = 4
const bed = await startBed({
  // Leases may be short enough to lapse during a test.
  pools: poolsDocument({
    min,
    max: 20,
    more: 'lease: { defaultSeconds: 60, minSeconds: 1, maxSeconds: 3600 }',
  }),
  openAiKey: 'sk-of-the-test',
  apiEnv: {
    LIVEKIT_URL: liveKit.url,
    LIVEKIT_API_KEY: liveKit.apiKey,
    LIVEKIT_API_SECRET: liveKit.apiSecret,
  },
})
const { client, kubectl, open, setPools, untilEnded, untilIdle } = createSessionCaller(bed)
t.teardown(async () => {
  client.close()
  await bed.stop()
})
await untilIdle(min)

void t.test(
  'a session is served by the very pod it names, with its metadata, its secrets and its room',
  async (t) => {
    const answer = await client.open({
      agentType,
      projectId: 'p-1',
      roomName: 'lobby',
      participant: { identity: 'ada', name: 'Ada' },
      metadata: { topic: 'tea' },
      secrets: { token: 'only-in-this-request' },
    })
    t.equal(answer.status, 201)
    t.equal(answer.headers.location, `/v1/sessions/${answer.body.id}`)
    t.match(answer.headers['server-timing'], /^reserve;dur=.*commit;dur=.*deliver;dur=[\d.]+$/)
    const session = answer.body
    t.match(session, {
      status: 'ACTIVE',
      agentType,
      projectId: 'p-1',
      roomName: 'lobby',
      epoch: 1,
      metadata: { topic: 'tea' },
    })
    t.equal(session.lease.renewAfterMs, 20_000)

    const echo = await echoTo(session, { say: 'hello' })
    t.match(echo, {
      sessionId: session.id,
      podUid: session.pod.uid,
      epoch: 1,
      metadata: { topic: 'tea' },
      counters: { messages: 1 },
      envSecret: true,
      echo: { say: 'hello' },
    })
    t.equal(echo.secretDigests.token, createHash('sha256').update('only-in-this-request').digest('hex'))

    const access = session.livekit
    t.ok(access?.room.includes(session.id), 'the room contains the session id')
    const claims = await new TokenVerifier(liveKit.apiKey, liveKit.apiSecret).verify(access?.token ?? '')
    t.match(claims, { sub: 'ada', video: { roomJoin: true, room: access?.room ?? '' } })
    t.notOk(claims.video?.roomAdmin, 'no more rights than joining takes')

    const pod = await until('the labels', async () => {
      const found = JSON.parse(await kubectl('get', 'pod', session.pod.name, '-o', 'json'))
      return found.metadata.labels.session === session.id && found
    })
    t.match(pod.metadata.labels, {
      'greenroom.dev/state': 'claimed',
      'greenroom.dev/pool': agentType,
      app: 'conversational-ai-agent',
    })
    t.equal(pod.metadata.uid, session.pod.uid)

    const fresh = await client.call({ method: 'POST', path: `/v1/sessions/${session.id}/token` })
    t.equal(fresh.body.livekit?.room, access?.room)
    t.equal((await client.read(session.id)).body.livekit, undefined, 'a token only where it was asked for')

    const ended = await client.end(session.id, '?wait=true')
    t.match(ended, { status: 200, body: { status: 'ENDED', endReason: 'ended:caller' } })
    await t.rejects(
      kubectl('get', 'pod', session.pod.name),
      /NotFound/,
      'the pod served one session and is gone',
    )
    await untilIdle(min)
  },
)

void t.test('pool pods are hardened by the webhook, carry no token and no value of a secret', async (t) => {
  const { items } = JSON.parse(await kubectl('get', 'pods', '-o', 'json'))
  t.equal(items.length, min)
  for (const { metadata, spec } of items) {
    t.match(spec.securityContext, {
      runAsNonRoot: true,
      runAsUser: 1000,
      fsGroup: 1000,
      seccompProfile: { type: 'RuntimeDefault' },
    })
    t.match(spec, {
      automountServiceAccountToken: false,
      terminationGracePeriodSeconds: 30,
      restartPolicy: 'Never',
    })
    const [agent] = spec.containers
    t.match(agent.securityContext, {
      allowPrivilegeEscalation: false,
      readOnlyRootFilesystem: true,
      capabilities: { drop: ['ALL'] },
    })
    t.match(agent.resources, {
      requests: { cpu: '50m', memory: '128Mi' },
      limits: { cpu: '250m', memory: '512Mi' },
    })
    t.match(spec.volumes, [{ emptyDir: {} }])
    t.equal(spec.volumes.length, 1, 'no token volume')
    t.ok(metadata.annotations['greenroom.dev/assign-key-ids'])
    t.match(
      agent.env.find(({ name }: { name: string }) => name === 'OPENAI_API_KEY'),
      { valueFrom: { secretKeyRef: { name: 'agent-secrets', key: 'OPENAI_API_KEY', optional: true } } },
    )
  }
  t.notMatch(JSON.stringify(items), 'sk-of-the-test')
})

void t.test("$(NAME) in the author's environment is what the webhook injects", async (t) => {
  const pod = {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name: 'own-env', labels: { 'agent-type': agentType } },
    spec: {
      restartPolicy: 'Never',
      containers: [
        {
          name: 'agent',
          image: 'greenroom:0.1.0',
          command: ['node', 'src/agent/echo-agent.ts'],
          envFrom: [{ prefix: 'ALL_', configMapRef: { name: 'own-env' } }],
          env: [
            { name: 'H', value: 'Bearer $(OPENAI_API_KEY)' },
            { name: 'OPENAI_API_KEY', value: 'sk-own' },
            {
              name: 'ME',
              value: '$(GREENROOM_AGENT_TYPE) $(GREENROOM_POD_NAME) $$(H) $(ALL_MODEL)',
            },
          ],
        },
      ],
    },
  }
  await kubectl('create', 'configmap', 'own-env', '--from-literal=MODEL=small')
  const { code, stderr } = await bed.plane.kubectl(['create', '-n', bed.namespace, '-f', '-'], {
    input: JSON.stringify(pod),
  })
  t.equal(code, 0, stderr)
  const { metadata } = JSON.parse(await kubectl('get', 'pod', 'own-env', '-o', 'json'))
  const pid = await until('its process', () => pidOfPod(metadata.uid).catch(() => false))
  const environment = (await readFile(`/proc/${pid}/environ`, 'utf8')).split('\0')
  t.ok(environment.includes('H=Bearer sk-of-the-test'))
  t.ok(environment.includes('OPENAI_API_KEY=sk-of-the-test'))
  t.ok(environment.includes(`ME=${agentType} own-env $(H) small`))
  await kubectl('delete', 'pod', 'own-env', '--grace-period=1')
})

void t.test('kubectl debug makes a copy of a pool pod, which is not of the pool', async (t) => {
  const [name = ''] = (await kubectl('get', 'pods', '-l', 'greenroom.dev/state=idle', '-o', 'name')).split(
    '\n',
  )
  const debug = async (copy: string, ...more: string[]): Promise<void> => {
    const image = ['--image=greenroom:0.1.0', '--attach=false', `--copy-to=${copy}`]
    const program = ['--', 'node', 'src/agent/echo-agent.ts']
    const args = ['debug', name, '-n', bed.namespace, ...image, ...more, ...program]
    const { code, stderr } = await bed.plane.kubectl(args)
    if (code !== 0) throw new Error(stderr)
  }
  await t.rejects(
    debug('refused'),
    /GRN_POLICY_VIOLATION: .*capabilities.*With kubectl debug use --profile=restricted\./,
  )
  await debug('copy', '--profile=restricted')
  await debug('copy-with-all', '--profile=restricted', '--keep-labels', '--keep-annotations')
  for (const copy of ['copy', 'copy-with-all']) {
    const { metadata, spec } = JSON.parse(await kubectl('get', 'pod', copy, '-o', 'json'))
    t.same(metadata.labels, { 'agent-type': agentType, app: 'conversational-ai-agent' }, copy)
    t.notOk(metadata.annotations['greenroom.dev/template-hash'])
    t.equal(spec.containers.length, 2)
    const env = spec.containers.map((container: { env?: unknown[] }) => container.env?.length ?? 0)
    t.equal(Math.min(...env), 0, 'the other container has none of the variables')
    const uid = await until('its agent', () => pidOfPod(metadata.uid).catch(() => false))
    t.ok(uid, 'the agent of the copy runs, as a pod of its own')
  }
  t.match((await client.pool(agentType)).body, { ready: min, warming: 0 })
  await kubectl('delete', 'pod', 'copy', 'copy-with-all', '--grace-period=1')
})

void t.test('an Idempotency-Key names one session: same body 200, other body 422', async (t) => {
  const headers = { 'idempotency-key': 'key-1' }
  const first = await open({ metadata: { n: 1 } }, headers)
  const again = await client.open({ agentType, metadata: { n: 1 } }, headers)
  t.match(again, { status: 200, body: { id: first.id, pod: first.pod } })
  t.equal(typeof again.body.livekit?.token, 'string', 'a fresh token')
  const other = await client.open({ agentType, metadata: { n: 2 } }, headers)
  t.match(other, { status: 422, body: { code: 'GRN_IDEMPOTENCY_MISMATCH' } })
  const [left, right] = await Promise.all([
    client.open({ agentType }, { 'idempotency-key': 'key-2' }),
    client.open({ agentType }, { 'idempotency-key': 'key-2' }),
  ])
  t.equal(left.body.pod.uid, right.body.pod.uid, 'two at once get one pod')
  await Promise.all([first.id, left.body.id].map((id) => client.end(id, '?wait=true')))
})

void t.test('a lease is kept by renewing and lapses without', async (t) => {
  const session = await open({ leaseSeconds: 2 })
  const renewed = await client.renew(session.id, session.epoch)
  t.equal(renewed.status, 200)
  t.match(await client.renew(session.id, session.epoch + 1), {
    status: 409,
    body: { code: 'GRN_STALE_EPOCH' },
  })
  // The agent renews too, so the lease lapses only if the agent is stuck.
  const lapsing = await open({ leaseSeconds: 1 })
  const pid = await pidOfPod(lapsing.pod.uid)
  process.kill(pid, 'SIGSTOP')
  const lapsed = await until('the lapse', async () => {
    const { body } = await client.read(lapsing.id)
    return body.endReason !== undefined && body
  })
  t.match(lapsed, { status: 'ENDING', endReason: 'lapsed:lease' })
  // A stopped agent would use its whole grace period.
  process.kill(pid, 'SIGCONT')
  await untilEnded(lapsing.id)
  t.match(await client.renew(lapsing.id, lapsing.epoch), { status: 409, body: { code: 'GRN_SESSION_OVER' } })
  t.equal((await client.read(session.id)).body.status, 'ACTIVE', 'the agent of the other one kept its lease')
  await client.end(session.id, '?wait=true')
})

void t.test('a session ends with its pod: killed, deleted by hand, or finished', async (t) => {
  const killed = await open()
  process.kill(await pidOfPod(killed.pod.uid), 'SIGKILL')
  t.match(await untilEnded(killed.id), { endReason: 'pod:died' })
  const deleted = await open()
  await kubectl('delete', 'pod', deleted.pod.name, '--wait=false')
  t.match(await untilEnded(deleted.id), { endReason: 'pod:deleted' })
  await untilIdle(min)
})

void t.test('a dead idle pod is replaced and never handed out', async (t) => {
  const [name = ''] = (await kubectl('get', 'pods', '-o', 'name')).trim().split('\n')
  await kubectl('delete', name, '--wait=false')
  // It is draining for a moment only, and may be gone before anybody looks.
  await until('the replica to see it', async () => {
    const { draining } = (await client.pool(agentType)).body
    return draining > 0 || !(await kubectl('get', 'pods', '-o', 'name')).includes(name)
  })
  const sessions = await Promise.all(Array.from({ length: min - 1 }, () => open()))
  t.notOk(sessions.some(({ pod }) => `pod/${pod.name}` === name))
  t.equal(new Set(sessions.map(({ pod }) => pod.uid)).size, min - 1)
  await Promise.all(sessions.map(({ id }) => client.end(id, '?wait=true')))
  await untilIdle(min)
})

void t.test('an empty pool answers as the request asks: fail at once, or wait for the refill', async (t) => {
  const sessions = await Promise.all(Array.from({ length: min }, () => open()))
  const refused = await client.open({ agentType, onEmpty: 'fail' })
  t.match(refused, { status: 503, body: { code: 'GRN_POOL_EMPTY' } })
  t.match(refused.headers['retry-after'], /^\d+$/)
  const waited = await client.open({ agentType, onEmpty: 'wait', waitMs: 20_000 })
  t.equal(waited.status, 201)
  await Promise.all([...sessions, waited.body].map(({ id }) => client.end(id, '?wait=true')))
  await untilIdle(min)
})

/** Does `write` while the webhook that guards documents is removed, as in docs/break-glass.md. Resolves when it has got through. */
async function withoutGuard(write: () => Promise<void>): Promise<void> {
  const registration = bed.plane.admin().makeApiClient(AdmissionregistrationV1Api)
  const name = 'agent-webhook'
  const whole = await registration.readValidatingWebhookConfiguration({ name })
  const entry = whole.webhooks?.findIndex((webhook) => webhook.name === 'config.agents.greenroom.dev') ?? -1
  const patch = (operation: object) =>
    kubectl('patch', 'validatingwebhookconfiguration', name, '--type=json', '-p', JSON.stringify([operation]))
  await patch({ op: 'remove', path: `/webhooks/${entry}` })
  try {
    // The API server notices the removal a moment later.
    await until('the write', () =>
      write().then(
        () => true,
        () => false,
      ),
    )
  } finally {
    await patch({ op: 'add', path: `/webhooks/${entry}`, value: whole.webhooks?.[entry] })
  }
}

void t.test('agent-pools takes effect within 2 s; a wrong one changes nothing and says why', async (t) => {
  const before = (await client.pool(agentType)).body.configuration.applied
  await setPools(poolsDocument({ min: 2, max: 20 }))
  await until('the new minimum', async () => (await client.pool(agentType)).body.desired.min === 2, 2_000)
  await untilIdle(2)
  const wrong = poolsDocument({ min: 9, max: 3, more: 'colour: blue' })
  await t.rejects(
    setPools(wrong),
    /GRN_INVALID_POOLS: pools.yaml \/pools\/echo-agent\/colour: is not a known key/,
  )
  await withoutGuard(() => setPools(wrong))
  const { body } = await until('the refusal', async () => {
    const answer = await client.pool(agentType)
    return answer.body.configuration.problems !== undefined && answer
  })
  t.match(body.configuration.problems?.join('\n'), /\/pools\/echo-agent\/colour: is not a known key/)
  t.equal(body.desired.min, 2, 'what was in force stays')
  t.not(body.configuration.applied, before)
  const events = await until('the Event', async () => {
    const found = await kubectl('get', 'events.events.k8s.io', '-o', 'json')
    return found.includes('DocumentRejected') && found
  })
  t.match(events, 'colour')
  await setPools(poolsDocument({ min, max: 20 }))
  await untilIdle(min)
  t.equal((await client.pool(agentType)).body.configuration.problems, undefined)
})

void t.test('sessions are listed, newest first, page by page', async (t) => {
  const first = await client.call({ method: 'GET', path: '/v1/sessions?limit=2' })
  t.equal(first.body.sessions.length, 2)
  const next = await client.call({
    method: 'GET',
    path: `/v1/sessions?limit=2&cursor=${first.body.nextCursor}`,
  })
  const ids = [...first.body.sessions, ...next.body.sessions].map(({ id }) => id)
  t.equal(new Set(ids).size, 4)
  const times = [...first.body.sessions, ...next.body.sessions].map(({ createdAt }) => createdAt)
  t.same(times, times.toSorted().toReversed())
  const active = await client.call({ method: 'GET', path: '/v1/sessions?status=ACTIVE' })
  t.same(active.body.sessions, [])
})

void t.test('bad input is refused with a code and leaves nothing behind', async (t) => {
  const wrong = [
    [await client.open({ agentType: 'nobody' }), 404, 'GRN_UNKNOWN_AGENT_TYPE'],
    [await client.open({ agentType, colour: 'blue' }), 400, 'GRN_INVALID_REQUEST'],
    [await client.call({ method: 'POST', path: '/v1/sessions', body: '{"agentType":' }), 400, 'GRN_BAD_JSON'],
    [await client.open({ agentType, metadata: { text: 'x'.repeat(300_000) } }), 413, 'GRN_BODY_TOO_LARGE'],
    [await client.read('01a1fc08-d0c7-726d-ab44-b67add3f4fd5'), 404, 'GRN_SESSION_NOT_FOUND'],
  ] as const
  for (const [answer, status, code] of wrong) t.match(answer, { status, body: { code } })
  const stranger = createBedClient({ url: bed.apiUrls[0] ?? '', apiKey: 'not-a-key-of-this-server' })
  t.match(await stranger.open({ agentType }), { status: 401, body: { code: 'GRN_UNAUTHENTICATED' } })
  stranger.close()
  t.equal((await client.pool(agentType)).body.claimed, 0)
})

void t.test('no secret of a session is at rest anywhere', async (t) => {
  const logs = await Promise.all([...bed.roles.values()].map(({ logPath }) => readFile(logPath, 'utf8')))
  const objects = await kubectl('get', 'pods,configmaps,events.events.k8s.io', '-o', 'json')
  for (const text of [...logs, objects]) {
    t.notMatch(text, 'only-in-this-request')
    t.notMatch(text, 'sk-of-the-test')
    t.notMatch(text, bed.apiKey)
  }
})
