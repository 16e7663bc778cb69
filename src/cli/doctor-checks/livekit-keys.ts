import { RoomServiceClient, ServerError } from 'livekit-server-sdk'
import { type DoctorCheck, failed, type LiveKitKeys, ok, sentenceOf } from './doctor-check.ts'

const answerMs = 4_000

/** What its HTTP server answers to anybody. */
export function liveKitAnswer({ url }: LiveKitKeys): Promise<Response> {
  return fetch(url.replace(/^ws/, 'http'), { signal: AbortSignal.timeout(answerMs), redirect: 'manual' })
}

export const liveKitKeys: DoctorCheck<'livekit'> = {
  name: 'livekit-keys',
  title: 'LiveKit is reached and takes the key',
  when: 'always',
  part: 'livekit',
  reaches: true,
  why: 'Greenroom signs the tokens of rooms itself. With a wrong key sessions open, and nobody can join their rooms.',
  fix: 'kubectl -n ai-agents create secret generic session-management-server --from-env-file=session-server.env --dry-run=client -o yaml | kubectl apply -f -',
  async run({ url, apiKey, apiSecret }) {
    const client = new RoomServiceClient(url, apiKey, apiSecret, { requestTimeout: answerMs / 1_000 })
    try {
      // A name that no room has: the answer is short, however many rooms there are.
      await client.listRooms(['greenroom-doctor'])
      return ok(`${url} answered a signed call.`)
    } catch (error) {
      if (error instanceof ServerError && (error.status === 401 || error.status === 403))
        return failed(
          `${url} refuses the key ${apiKey}: LIVEKIT_API_KEY or LIVEKIT_API_SECRET is not LiveKit's.`,
        )
      return failed(`${url} did not answer: ${sentenceOf(error)}.`, reachable)
    }
  },
}

const reachable = 'kubectl -n ai-agents get service,endpointslices -l app=livekit'
