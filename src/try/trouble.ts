import { GreenroomApiError } from '../client/client.ts'
import type { Notice } from './page-element.ts'

/** What a person can do about an error, in a sentence or two. */
export function openTrouble(error: unknown): Notice {
  if (!(error instanceof GreenroomApiError))
    return {
      title: 'LiveKit cannot be reached.',
      text: 'The session is still open, and its pod is yours. Check that livekit-server runs and that this machine reaches it.',
    }
  const code: string = error.code
  switch (code) {
    case 'GRN_POOL_EMPTY':
      return { title: 'No warm pod became free.', text: `${error.message} Try again in a moment.` }
    case 'GRN_CLIENT_NO_LIVEKIT':
      return { title: 'This Greenroom has no LiveKit.', text: error.remediation }
    case 'GRN_CLIENT_TIMEOUT':
    case 'GRN_CLIENT_UNREACHABLE':
      return { title: 'The session API does not answer.', text: error.remediation }
    default:
      return { title: 'That did not work.', text: error.message }
  }
}

const sentences: Readonly<Record<string, string>> = {
  'ended:caller': 'It was ended with an API key, by another program or page.',
  'ended:agent': 'The agent ended it.',
  'lapsed:lease': 'Its lease lapsed: this page did not renew it in time.',
  'lapsed:max-duration': 'It reached the longest time that its agent type allows.',
  'pod:died': 'Its pod died.',
  'pod:deleted': 'Somebody deleted its pod.',
  'pod:node-lost': 'The node of its pod was lost.',
  'failed:agent-not-joined': 'The agent did not join the room in time.',
  'room:finished': 'Its room was closed.',
  'room:left': 'Everybody had left the room.',
}

export function endSentence(reason: string | undefined, isOwnEnd: boolean): string {
  if (isOwnEnd) return 'You ended it. The pod is being replaced by a fresh one.'
  if (reason === undefined) return 'The server no longer has this session.'
  return sentences[reason] ?? `The server ended it: ${reason}.`
}
