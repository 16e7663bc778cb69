import type { FastifyReply } from 'fastify'
import { GreenroomError } from '../errors.ts'
import type { Logger } from '../logging.ts'
import type { Metrics } from '../metrics.ts'
import type { FollowEvents, Following } from '../sessions/follow-events.ts'
import { type EventStream, openEventStream } from './event-stream.ts'

/** All event streams of this replica: how many there may be, their heartbeats, and their end when the replica drains. */
interface EventStreamsDeps {
  readonly followEvents: FollowEvents
  /** Aborted when this replica drains. */
  readonly draining: AbortSignal
  readonly metrics: Pick<Metrics, 'eventStreamsEnded'>
  readonly logger: Logger
  readonly streamLimits?: Partial<StreamLimits> | undefined
}

export interface StreamLimits {
  readonly most: number
  readonly mostWaitingBytes: number
  readonly patienceMs: number
  readonly beatMs: number
}

const defaults: StreamLimits = {
  // At some 20 KiB each, an eighth of the memory that the manifests give a replica.
  most: 6_000,
  // Some 800 events: more than a slow network needs, and with all streams full the replica still lives.
  mostWaitingBytes: 256 * 1024,
  patienceMs: 30_000,
  // Half of the time after which common proxies close a silent connection.
  beatMs: 15_000,
}

/** Streams that end together come back spread over this time, so that they do not meet a replica as one crowd. */
const comeBackMs = { least: 100, most: 2_000 }
/** Heartbeats of this share of the streams at once: thousands in one turn would hold up a claim. */
const beatTurns = 30

interface OpenStream {
  readonly stream: EventStream
  readonly isAllowed: () => Promise<boolean>
}

export function createEventStreams(deps: EventStreamsDeps) {
  const { followEvents, draining, metrics, logger } = deps
  const limits = { ...defaults, ...deps.streamLimits }
  const open = new Set<OpenStream>()
  /** The streams that this turn of heartbeats has not reached yet. */
  let left: OpenStream[] = []

  async function beat({ stream, isAllowed }: OpenStream): Promise<void> {
    stream.beat()
    // A credential may have been revoked since the stream began.
    const allowed = await isAllowed().catch((error: unknown) => {
      logger.warn({ err: error }, 'the credential of an event stream could not be checked')
      return true
    })
    if (!allowed) stream.close('unauthorized', comeBackMs.most)
  }

  const timer = setInterval(() => {
    if (left.length === 0) left = [...open]
    for (const one of left.splice(0, Math.ceil(open.size / beatTurns))) void beat(one)
  }, limits.beatMs / beatTurns)
  timer.unref()
  draining.addEventListener('abort', () => {
    clearInterval(timer)
    for (const { stream } of open) stream.close('draining', someTime())
  })

  return {
    /** Answers with a stream, until its follower leaves or it is ended. Refuses when the replica has too many, or drains. */
    start(reply: FastifyReply, following: Following, isAllowed: () => Promise<boolean>): void {
      if (draining.aborted) throw draining.reason
      followEvents.assertReady()
      if (open.size >= limits.most)
        throw new GreenroomError('GRN_STREAMS_FULL', undefined, { retryAfterMs: someTime() })
      const stream = openEventStream(reply, {
        ...limits,
        onEnd(reason) {
          open.delete(one)
          metrics.eventStreamsEnded.inc({ reason: reason ?? 'left' })
        },
      })
      const one: OpenStream = { stream, isAllowed }
      open.add(one)
      followEvents.follow(following, stream).catch((error: unknown) => {
        // The answer has begun, so the follower learns it from the stream, and comes back.
        logger.warn({ err: error }, 'an event stream failed')
        stream.close('failed', someTime())
      })
    },
  }
}

export type EventStreams = ReturnType<typeof createEventStreams>

function someTime(): number {
  return Math.round(comeBackMs.least + Math.random() * (comeBackMs.most - comeBackMs.least))
}
