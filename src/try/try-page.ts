import {
  type Client,
  type ClientSession,
  createClient,
  GreenroomApiError,
  type SessionEnd,
} from '../client/client.ts'
import { chosenAgent, createAgentChoice } from './agent-choice.ts'
import { type Conversation, startConversation } from './conversation.ts'
import { createMessageLog } from './message-log.ts'
import { announce, element, showFacts, showNotice, showState } from './page-element.ts'
import { createStepClock } from './step-clock.ts'
import { endSentence, openTrouble } from './trouble.ts'
import type { Loudness } from './voice-source.ts'
import { drawWave, type WaveDrawing } from './wave-drawing.ts'

/** The page at /try: a key, a choice, a conversation, its end. */

const keyName = 'greenroom-api-key'
/** Longer than an agent takes to join: 0.3 s here, and LiveKit may be far away. */
const agentLateMs = 10_000
const silence: Loudness = () => 0

const clock = createStepClock(element('steps'))
const log = createMessageLog(element('log'))
const agents = createAgentChoice()
let client: Client | undefined
let conversation: Conversation | undefined
let session: ClientSession | undefined
/** Whether this page ended the session itself. */
let isOwnEnd = false

function end(): void {
  isOwnEnd = true
  session?.end().catch((error: unknown) => showNotice(openTrouble(error)))
}

/** A key in the address (`#key=…`, as `npm run dev` prints it) goes into this tab, and out of the address. */
function readKey(): string | undefined {
  const given = new URLSearchParams(location.hash.slice(1)).get('key')
  if (given) {
    sessionStorage.setItem(keyName, given)
    history.replaceState(null, '', location.pathname)
  }
  return sessionStorage.getItem(keyName) ?? undefined
}

function askForKey(problem?: string): void {
  agents.stop()
  sessionStorage.removeItem(keyName)
  element('forget-key').hidden = true
  showState('key', 'Talk to an agent', 'Greenroom opens sessions for those who have an API key.')
  const input = element('key', HTMLInputElement)
  input.value = ''
  if (problem) input.setAttribute('aria-invalid', 'true')
  else input.removeAttribute('aria-invalid')
  showNotice(problem === undefined ? undefined : { title: 'That key does not work.', text: problem })
  input.focus()
}

function useKey(key: string): void {
  sessionStorage.setItem(keyName, key)
  client = createClient({
    url: '',
    apiKey: key,
    // The end of a session is sent even when the tab closes.
    fetch: (address, init) => fetch(address, { ...init, keepalive: init?.method === 'DELETE' }),
  })
  setUp()
}

function setUp(): void {
  if (!client) return
  element('forget-key').hidden = false
  showNotice(undefined)
  showState(
    'setup',
    'Talk to an agent',
    'A warm pod answers in milliseconds. Choose an agent, speak, and hear it come back.',
  )
  agents.follow(client, {
    onUnknownKey: () => askForKey('The session API does not know it. Check for a missing character.'),
    onTrouble: showNotice,
  })
}

async function start(): Promise<void> {
  const agentType = chosenAgent()
  if (!client || !agentType) return
  const button = element('start', HTMLButtonElement)
  const voice = document.querySelector<HTMLInputElement>('[name="voice"]:checked')?.value
  button.disabled = true
  button.textContent = 'Opening a session …'
  showNotice(undefined)
  log.clear()
  try {
    conversation = await startConversation({
      client,
      agentType,
      voice: voice === 'tone' ? 'tone' : 'microphone',
      clock,
      events: callEvents(agentType),
    })
  } catch (error) {
    showNotice(openTrouble(error))
    if (error instanceof GreenroomApiError && error.status === 401) askForKey(error.message)
  } finally {
    button.disabled = false
    button.textContent = 'Start the conversation'
  }
}

function callEvents(agentType: string) {
  const lanes: { agent: Loudness; own: Loudness } = { agent: silence, own: silence }
  let wave: WaveDrawing | undefined
  let lateTimer: ReturnType<typeof setTimeout> | undefined
  const note = (text: string) => {
    element('voice-note').textContent = text
  }
  return {
    onSession(opened: ClientSession) {
      session = opened
      agents.stop()
      const { pod, view } = opened
      showFacts({ pod: pod?.name, ip: pod?.ip, session: opened.id, room: view.livekit?.room })
      showState('call', `You are with ${agentType}`)
      announce('The session is open.')
      element('title').focus()
      note('Joining the room …')
      wave = drawWave(element('wave', HTMLCanvasElement), {
        agent: () => lanes.agent(),
        own: () => lanes.own(),
      })
      lateTimer = setTimeout(() => {
        showNotice({
          title: 'The agent is not in the room yet.',
          text: 'Its session is open. If it does not come, look at the log of its pod.',
        })
      }, agentLateMs)
    },
    onVoice(kind: 'microphone' | 'tone', loudness: Loudness) {
      lanes.own = loudness
      const wanted = document.querySelector<HTMLInputElement>('[value="microphone"]')?.checked
      if (kind === 'tone' && wanted) {
        showNotice({
          title: 'There is no microphone.',
          text: 'It was refused or is missing, so a test tone is sent. The site settings of your browser can allow it.',
        })
      }
      element('own-lane').textContent = kind === 'tone' ? 'You, as a test tone' : 'You'
    },
    onAgent() {
      clearTimeout(lateTimer)
      note('The agent is in the room.')
      announce('The agent is in the room.')
    },
    onAgentVoice(loudness: Loudness) {
      lanes.agent = loudness
      note('You hear the agent.')
    },
    onGreeting: (text: string) => log.own(text),
    onWords: (messageId: string, text: string) => log.agent(messageId, text),
    onTrouble(isReconnecting: boolean) {
      note(isReconnecting ? 'The connection is interrupted. Joining again …' : 'The connection is back.')
      announce(isReconnecting ? 'The connection is interrupted.' : 'The connection is back.')
    },
    onLost(error?: unknown) {
      clearTimeout(lateTimer)
      lanes.agent = silence
      note('You are not in the room.')
      showNotice({
        ...openTrouble(error ?? new Error('left')),
        action: { label: 'Join again', run: () => void conversation?.join() },
      })
    },
    onOver(end: SessionEnd) {
      clearTimeout(lateTimer)
      wave?.stop()
      finish(end)
    },
  }
}

function finish({ reason }: SessionEnd): void {
  conversation = undefined
  session = undefined
  const sentence = endSentence(reason, isOwnEnd)
  isOwnEnd = false
  showNotice(undefined)
  showState('ended', 'The conversation is over', sentence)
  announce(`The conversation is over. ${sentence}`)
  element('title').focus()
}

element('key-form').addEventListener('submit', (event) => {
  event.preventDefault()
  useKey(element('key', HTMLInputElement).value.trim())
})
element('setup-form').addEventListener('submit', (event) => {
  event.preventDefault()
  void start()
})
element('say-form').addEventListener('submit', (event) => {
  event.preventDefault()
  const input = element('say', HTMLInputElement)
  const text = input.value.trim()
  input.value = ''
  if (text === '') return
  log.own(text)
  conversation?.say(text)
})
element('mute').addEventListener('click', ({ currentTarget }) => {
  if (!(currentTarget instanceof HTMLElement)) return
  const isMuted = currentTarget.getAttribute('aria-pressed') !== 'true'
  currentTarget.setAttribute('aria-pressed', String(isMuted))
  conversation?.mute(isMuted)
})
element('end').addEventListener('click', end)
element('again').addEventListener('click', setUp)
element('forget-key').addEventListener('click', () => {
  end()
  askForKey()
})
addEventListener('pagehide', end)

const key = readKey()
if (key) useKey(key)
else askForKey()
