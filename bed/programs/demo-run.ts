import { existsSync, readFileSync } from 'node:fs'
import { type Bed } from '../bed.ts'
import { until } from '../processes/until.ts'
import { type AnswerBody, type BedClient, createBedClient } from '../replicas/bed-client.ts'
import { type Echo, echoTo } from '../replicas/echo-conversation.ts'
import { type Percentiles, percentilesOf } from './percentiles.ts'
import { playRoomAct, type RoomTimes } from './room-act.ts'

/** What `--report` writes. Times are milliseconds; `openMs` leaves out the first three, which warm the code up. */
export interface DemoReport {
  readonly opened: number
  readonly failed: number
  /** Pods that two sessions got. */
  readonly doubles: number
  /** Sessions whose agent is not theirs, and pods or sessions left behind. */
  readonly leaked: number
  readonly openMs: Percentiles
  readonly stagesMs: Readonly<Record<string, Percentiles>>
  readonly apiWritesPerSession: number
  /** From the last end until the pool is full again. */
  readonly refillMs: number
  /** Of a participant that talked to an agent in its room; absent where there are no rooms. */
  readonly room?: RoomTimes
  /** Resident memory of Greenroom's processes after it all, MB; empty where there is no /proc. */
  readonly rssMb: Readonly<Record<string, number>>
}

interface DemoOptions {
  readonly bed: Bed
  readonly sessions: number
  readonly say: (line: string) => void
  /** Called while every session is open and its pod is labelled. */
  readonly whileOpen: () => Promise<void>
}

const agentType = 'echo-agent'
/** First requests compile code and open connections; they are shown, not counted. */
export const discarded = 3
/** The agents of a full pool start one after the other on a small machine. */
const fillTimeoutMs = 120_000
/** The time after which Greenroom itself ends a session whose agent is not in its room. */
const joinTimeoutMs = 10_000

/** Warms up, opens, speaks, ends and refills; the story is told by `say`. */
export async function runDemo({ bed, sessions, say, whileOpen }: DemoOptions): Promise<DemoReport> {
  const client = createBedClient({ url: bed.apiUrls[0] ?? '', apiKey: bed.apiKey })
  try {
    const warming = performance.now()
    const full = await untilFull(client)
    say(
      `pool of ${full} echo agents is warm after ${seconds(performance.now() - warming)}: each one a running, hardened pod`,
    )
    const writesBefore = await bed.podWrites()
    const story = await openAll(client, sessions + discarded)
    say(
      `${story.opened.length} sessions opened, one after the other, each acknowledged by its own pod${hasRooms(story) ? `; ${story.inRooms} agents are in the LiveKit room of their session` : ''}`,
    )
    const strangers = await speakToAll(story.opened)
    say(
      `each agent was spoken to; ${strangers === 0 ? 'every one knew its session, metadata and secret' : `${strangers} answered for another session`}`,
    )
    await afterClaims(bed, story)
    await whileOpen()
    const ended = await endAll(client, story.opened)
    const refilling = performance.now()
    await untilFull(client)
    const refillMs = performance.now() - refilling
    say(
      `${ended} sessions ended, their pods are gone, and the pool was full again ${seconds(refillMs)} later`,
    )
    const writes = (await bed.podWrites()) - writesBefore
    const room = hasRooms(story) ? await playRoomAct({ client, agentType, say }) : undefined
    if (room) {
      say(
        `a participant joined the room of one more session: its words came back from the claimed pod ${ms(room.wordsMs)} after the click, its voice after ${ms(room.voiceMs)}`,
      )
    }
    const left = await leftBehind(bed, client)
    const rest = { leaked: strangers + left, refillMs, writes, room, rssMb: memoryOf(bed) }
    return reportOf(story, rest)
  } finally {
    client.close()
  }
}

interface Story {
  readonly opened: readonly AnswerBody[]
  readonly failures: readonly string[]
  /** Agents that are in the room of their session. */
  readonly inRooms: number
  readonly openMs: readonly number[]
  readonly stages: ReadonlyMap<string, readonly number[]>
}

/** Whether the bed has LiveKit. */
function hasRooms({ opened }: Story): boolean {
  return opened.some(({ livekit }) => livekit !== undefined)
}

async function untilFull(client: BedClient): Promise<number> {
  return until(
    'a full pool',
    async () => {
      const { body } = await client.pool(agentType)
      return (
        body.ready >= body.desired?.min &&
        body.warming === 0 &&
        body.claimed === 0 &&
        body.draining === 0 &&
        body.ready
      )
    },
    fillTimeoutMs,
  )
}

async function openAll(client: BedClient, count: number): Promise<Story> {
  const opened: AnswerBody[] = []
  const failures: string[] = []
  const openMs: number[] = []
  let inRooms = 0
  const stages = new Map<string, number[]>()
  for (let number = 1; number <= count; number += 1) {
    const answer = await client.open({
      agentType,
      metadata: { number },
      secrets: { greeting: `hello ${number}` },
    })
    if (answer.status !== 201) {
      failures.push(answer.text)
      continue
    }
    opened.push(answer.body)
    openMs.push(answer.ms)
    for (const part of String(answer.headers['server-timing']).split(', ')) {
      const [stage = '', ms] = part.split(';dur=')
      stages.set(stage, [...(stages.get(stage) ?? []), Number(ms)])
    }
    // An agent that joins keeps a core busy for 0.2 s. In a cluster that is not a core that serves the next claim.
    if (answer.body.livekit && (await isInRoom(client, answer.body))) inRooms += 1
  }
  return { opened, failures, inRooms, openMs, stages }
}

/** Whether the agent has joined the room of its session; it does so behind the acknowledgement. */
async function isInRoom(client: BedClient, { id }: AnswerBody): Promise<boolean> {
  const look = async () => (await client.read(id)).body.agentJoinedAt !== undefined
  return until('the agent in its room', look, joinTimeoutMs).catch(() => false)
}

/** Number of agents that do not serve the session they were opened for. */
async function speakToAll(sessions: readonly AnswerBody[]): Promise<number> {
  const echoes = await Promise.all(
    sessions.map((session) => echoTo(session, { hello: session.id }).catch(() => undefined)),
  )
  return sessions.filter((session, position) => !isOwn(session, echoes[position])).length
}

function isOwn(session: AnswerBody, echo: Echo | undefined): boolean {
  return (
    echo !== undefined &&
    echo.sessionId === session.id &&
    echo.podUid === session.pod.uid &&
    echo.epoch === session.epoch &&
    echo.metadata?.number === session.metadata?.number &&
    'greeting' in echo.secretDigests
  )
}

/** The controller labels claimed pods after the answer. The labels are for people; nothing depends on them. */
async function afterClaims(bed: Bed, { opened }: Story): Promise<void> {
  await until('labels of the claimed pods', async () => (await podsWithSession(bed)) >= opened.length)
}

async function podsWithSession({ plane, namespace }: Bed): Promise<number> {
  const { stdout } = await plane.kubectl(['get', 'pods', '-n', namespace, '-l', 'session', '-o', 'name'])
  return stdout.split('\n').filter((line) => line !== '').length
}

async function endAll(client: BedClient, sessions: readonly AnswerBody[]): Promise<number> {
  const answers = await Promise.all(sessions.map((session) => client.end(session.id, '?wait=true')))
  return answers.filter((answer) => answer.body.status === 'ENDED').length
}

/** Sessions that are not over, and pods that still carry one. */
async function leftBehind(bed: Bed, client: BedClient): Promise<number> {
  const live = await Promise.all(
    ['PENDING', 'ACTIVE', 'ENDING'].map((status) =>
      client.call({ method: 'GET', path: `/v1/sessions?limit=200&status=${status}` }),
    ),
  )
  const sessions = live.reduce((sum, { body }) => sum + body.sessions.length, 0)
  return sessions + (await podsWithSession(bed))
}

interface Rest extends Pick<DemoReport, 'leaked' | 'refillMs' | 'rssMb'> {
  readonly writes: number
  readonly room: RoomTimes | undefined
}

function reportOf(story: Story, rest: Rest): DemoReport {
  const pods = new Set(story.opened.map((session) => session.pod.uid))
  const counted = <T>(values: readonly T[]) => values.slice(discarded)
  return {
    opened: story.opened.length,
    failed: story.failures.length,
    doubles: story.opened.length - pods.size,
    leaked: rest.leaked,
    openMs: percentilesOf(counted(story.openMs)),
    stagesMs: Object.fromEntries(
      [...story.stages].map(([stage, values]) => [stage, percentilesOf(counted(values))]),
    ),
    apiWritesPerSession: story.opened.length === 0 ? 0 : rest.writes / story.opened.length,
    refillMs: rest.refillMs,
    ...(rest.room && { room: rest.room }),
    rssMb: rest.rssMb,
  }
}

/** Read from /proc; on other systems than Linux it is empty. */
function memoryOf(bed: Bed): Record<string, number> {
  const memory: Record<string, number> = {}
  for (const role of bed.roles.values()) {
    const path = `/proc/${role.pid()}/status`
    const kilobytes = existsSync(path) ? /VmRSS:\s+(\d+) kB/.exec(readFileSync(path, 'utf8'))?.[1] : undefined
    if (kilobytes !== undefined) memory[role.name] = Math.round(Number(kilobytes) / 1_024)
  }
  return memory
}

function ms(time: number): string {
  return `${Math.round(time)} ms`
}

export function seconds(ms: number): string {
  return `${(ms / 1_000).toFixed(1)} s`
}
