import { createHash } from 'node:crypto'
import { AccessToken } from 'livekit-server-sdk'
import t, { type Test } from 'tap'
import type { RoomEvent } from '../../src/domain/room-ports.ts'
import { GreenroomError } from '../../src/errors.ts'
import { createRoomEvents } from '../../src/livekit/room-events.ts'
import { apiKey as callersKey, isProblem, knownId, startApi } from './api-bed.ts'

const apiKey = 'devkey'
const apiSecret = 'secret-of-at-least-thirty-two-bytes'
const event = { id: 'EV_1', event: 'room_finished', room: { name: `echo-agent-${knownId}`, sid: 'RM_1' } }
const contentType = 'application/webhook+json'

/** As LiveKit signs: a token whose claim is the hash of the body. */
function signature(body: string, secret = apiSecret, ttl = 300): Promise<string> {
  const token = new AccessToken(apiKey, secret, { ttl })
  token.sha256 = createHash('sha256').update(body).digest('base64')
  return token.toJwt()
}

async function startWebhook(t: Test, take?: (event: RoomEvent) => Promise<never>) {
  const taken: RoomEvent[] = []
  let refused = 0
  const events = createRoomEvents({ apiKey, apiSecret })
  const { app } = await startApi(t, {
    liveKit: {
      readRoomEvent: (rawBody, authorization) => events.read(rawBody, authorization),
      async takeRoomEvent(event) {
        await take?.(event)
        taken.push(event)
        return 'taken'
      },
      onRefused: () => (refused += 1),
    },
  })
  return {
    taken,
    refused: () => refused,
    post: (payload: string, headers: Record<string, string>) =>
      app.inject({
        method: 'POST',
        url: '/v1/livekit/webhook',
        headers: { 'content-type': contentType, ...headers },
        payload,
      }),
  }
}

void t.test('a webhook that LiveKit signed needs no API key', async (t) => {
  const { post, taken } = await startWebhook(t)
  const body = JSON.stringify({ ...event, participant: { identity: 'ann', metadata: 'ü😀'.repeat(16_000) } })
  const answer = await post(body, { authorization: await signature(body) })
  t.equal(answer.statusCode, 204)
  t.strictSame(taken, [{ id: 'EV_1', event: 'room_finished', room: event.room.name, identity: 'ann' }])
})

void t.test('an event of a later LiveKit, with fields and a name that nobody knows, is taken', async (t) => {
  const { post, taken } = await startWebhook(t)
  const body = JSON.stringify({ id: 'EV_2', event: 'agent_job_started', news: [{ a: 1 }] })
  t.equal((await post(body, { authorization: await signature(body) })).statusCode, 204)
  t.match(taken, [{ event: 'agent_job_started', room: '', identity: undefined }])
})

void t.test('everything else is refused, and nothing is taken', async (t) => {
  const { post, taken, refused } = await startWebhook(t)
  const body = JSON.stringify(event)
  const participant = new AccessToken(apiKey, apiSecret, { identity: 'ann' })
  participant.addGrant({ roomJoin: true, room: event.room.name })
  const forged: Record<string, string> = {
    'no signature': '',
    'an API key of a caller': `Bearer ${callersKey}`,
    'another secret': await signature(body, 'another-secret-of-at-least-32-bytes'),
    'another body': await signature(`${body} `),
    'signed long ago': await signature(body, apiSecret, -60),
    'the token of a participant': await participant.toJwt(),
    'no token at all': 'x.y.z',
  }
  for (const [name, authorization] of Object.entries(forged)) {
    t.comment(name)
    isProblem(t, await post(body, { authorization }), 'GRN_WEBHOOK_UNSIGNED', 401)
  }
  const noJson = 'not json'
  isProblem(t, await post(noJson, { authorization: await signature(noJson) }), 'GRN_WEBHOOK_UNSIGNED', 401)
  t.equal(refused(), Object.keys(forged).length + 1)
  const authorization = await signature(body)
  for (const type of ['application/json', 'text/plain', 'application/x-www-form-urlencoded'])
    isProblem(t, await post(body, { authorization, 'content-type': type }), 'GRN_UNSUPPORTED_MEDIA_TYPE', 415)
  const large = `"${'x'.repeat(1024 * 1024)}"`
  isProblem(t, await post(large, { authorization: await signature(large) }), 'GRN_BODY_TOO_LARGE', 413)
  t.strictSame(taken, [])
})

void t.test('an event that could not be taken is refused, so that LiveKit sends it again', async (t) => {
  const { post } = await startWebhook(t, () => Promise.reject(new GreenroomError('GRN_DATABASE_UNAVAILABLE')))
  const body = JSON.stringify(event)
  isProblem(t, await post(body, { authorization: await signature(body) }), 'GRN_DATABASE_UNAVAILABLE', 503)
})

void t.test('without LiveKit there is no such address, and no other address takes webhooks', async (t) => {
  const { app } = await startApi(t)
  const headers = { 'content-type': contentType, authorization: `Bearer ${callersKey}` }
  const post = (url: string) => app.inject({ method: 'POST', url, headers, payload: '{}' })
  isProblem(t, await post('/v1/livekit/webhook'), 'GRN_NOT_FOUND', 404)
  isProblem(t, await post('/v1/sessions'), 'GRN_UNSUPPORTED_MEDIA_TYPE', 415)
})
