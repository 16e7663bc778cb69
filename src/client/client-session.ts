import { type Api, type CallOptions, sessionPath, timedOut } from './api-call.ts'
import type { LiveKitAccess, SessionPod, SessionView } from './api-types.ts'
import { GreenroomApiError } from './client-error.ts'
import { delay, retryDelayMs } from './delay.ts'
import { type FollowedEvent, type FollowOptions, iterateEvents } from './event-iteration.ts'

/** How a session ended, as far as the server tells. */
export interface SessionEnd {
  /** Such as `ended:caller`, `lapsed:lease`, `pod:died`; undefined when the server no longer has the session. */
  readonly reason: string | undefined
  /** As it was last seen. */
  readonly session: SessionView
}

export interface AccessOptions extends CallOptions {
  /** How long the token must be valid; a fresh one is asked for when it is not. LiveKit asks for it at each join. */
  readonly validForMs?: number
}

/** Enough to join over a slow network. Greenroom's tokens live ten minutes. */
const defaultValidForMs = 120_000
/** Share of the time between two renewals that is left to chance, so that sessions opened together do not renew together. */
const jitterShare = 0.2
const renewTimeoutMs = 5_000
/** A cold start pulls an image at worst. */
const defaultActiveMs = 60_000
/** Shorter than a call's time for one attempt. */
const longPollMs = 3_000
const overCodes: readonly string[] = ['GRN_SESSION_OVER', 'GRN_SESSION_NOT_FOUND', 'GRN_STALE_EPOCH']

/** An open session. Its lease is renewed until it is over. */
export class ClientSession {
  /** Resolves when the session is over, whoever ended it; at the latest with the next renewal, or see `refresh`. */
  readonly over: Promise<SessionEnd>
  /** For the page of your user, if the open asked for it: see `attachSession`. */
  readonly browserToken: SessionView['browserToken']
  readonly #api: Api
  readonly #stop = new AbortController()
  readonly #renewals = new AbortController()
  readonly #settle: (end: SessionEnd) => void
  #view: SessionView
  #access: LiveKitAccess | undefined

  constructor(api: Api, view: SessionView) {
    this.#api = api
    this.browserToken = view.browserToken
    this.#view = view
    this.#access = view.livekit
    const { promise, resolve } = Promise.withResolvers<SessionEnd>()
    this.over = promise
    this.#settle = resolve
    void this.#renewUntilOver()
  }

  get id(): string {
    return this.#view.id
  }

  /** The pod that serves the session; undefined only while a cold open waits. */
  get pod(): SessionPod | undefined {
    return this.#view.pod
  }

  /** As the server last told it. */
  get view(): SessionView {
    return this.#view
  }

  /** Aborted when the session is over. */
  get signal(): AbortSignal {
    return this.#stop.signal
  }

  /** Where to join the room, with a token that is valid for a while. */
  async livekit({ validForMs = defaultValidForMs, ...options }: AccessOptions = {}): Promise<LiveKitAccess> {
    const now = Date.now()
    if (this.#access && Date.parse(this.#access.expiresAt) - now > validForMs) return this.#access
    const request = { method: 'POST', path: `${this.#path}/token` } as const
    const { livekit } = await this.#api.call<SessionView>(request, options).catch(async (error: unknown) => {
      // Over, then: `over` tells why.
      if (isOver(error)) await this.#look('', options)
      throw error
    })
    if (!livekit)
      throw new GreenroomApiError('This Greenroom gives no access to a LiveKit room.', {
        code: 'GRN_CLIENT_NO_LIVEKIT',
        remediation: 'Set LIVEKIT_URL, LIVEKIT_API_KEY and LIVEKIT_API_SECRET of the session server.',
      })
    this.#access = livekit
    return livekit
  }

  /** Asks the server how the session is. When it is over, `over` resolves. */
  async refresh(options: CallOptions = {}): Promise<SessionView> {
    await this.#look('', options)
    return this.#view
  }

  /** What happens to the session, from its begin until its end; it goes on by itself after every break. */
  events(options?: FollowOptions): AsyncIterable<FollowedEvent> {
    return iterateEvents(this.#api, `${this.#path}/events`, options)
  }

  /** Resolves when a cold open has its pod, or has ended without one. */
  async untilActive(options: CallOptions = {}): Promise<SessionView> {
    const { requestTimeoutMs = defaultActiveMs, signal } = options
    const endsAt = performance.now() + requestTimeoutMs
    while (this.#view.status === 'PENDING') {
      const leftMs = endsAt - performance.now()
      if (leftMs <= 0) throw timedOut(requestTimeoutMs)
      await this.#look(`?waitFor=ACTIVE&waitMs=${longPollMs}`, { requestTimeoutMs: leftMs, signal })
    }
    return this.#view
  }

  /** Gives the pod back. Ending what is over already does nothing. */
  async end(options: CallOptions = {}): Promise<SessionEnd> {
    // First: if the server cannot be told, the lease ends the session.
    this.#renewals.abort()
    if (this.signal.aborted) return this.over
    const path = `${this.#path}?epoch=${this.#view.epoch}`
    try {
      this.#see(await this.#api.call<SessionView>({ method: 'DELETE', path }, options))
    } catch (error) {
      if (!isOver(error)) throw error
      await this.#look('', options)
    }
    // Also when it is there still, because another attempt holds it.
    this.#finish(this.#view.endReason)
    return this.over
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.end().then(() => undefined)
  }

  get #path(): string {
    return sessionPath(this.#view.id)
  }

  #see(view: SessionView): SessionView {
    this.#view = view
    if (view.status === 'ENDING' || view.status === 'ENDED') this.#finish(view.endReason)
    return view
  }

  #finish(reason: string | undefined): void {
    this.#settle({ reason, session: this.#view })
    this.#renewals.abort()
    this.#stop.abort(
      new GreenroomApiError(`The session is over: ${reason ?? 'unknown'}.`, { code: 'GRN_SESSION_OVER' }),
    )
  }

  /** Reads the session. One that is gone, or that another attempt holds, is over for this caller. */
  async #look(query: string, options: CallOptions): Promise<void> {
    const { status, epoch } = this.#view
    const request = { method: 'GET', path: `${this.#path}${query}` } as const
    try {
      const view = await this.#api.call<SessionView>(request, options)
      // Each attempt of a cold open has the next epoch; an ACTIVE session keeps its own.
      if (status === 'ACTIVE' && view.epoch !== epoch) this.#finish(undefined)
      else this.#see(view)
    } catch (error) {
      if (!isOver(error)) throw error
      this.#finish(undefined)
    }
  }

  async #renewUntilOver(): Promise<void> {
    const { signal } = this.#renewals
    for (let failures = 0; !signal.aborted; ) {
      const regularMs = this.#view.lease.renewAfterMs * (1 - jitterShare * Math.random())
      try {
        // A failed renewal is repeated sooner: two thirds of the lease are left for it.
        await delay(failures > 0 ? Math.min(regularMs, retryDelayMs(failures)) : regularMs, signal)
        this.#see(await this.#renew(signal))
        failures = 0
      } catch (error) {
        // Tried again for as long as it takes: only the server knows whether the lease has lapsed.
        failures += 1
        if (isOver(error)) await this.#look('', { signal }).catch(() => undefined)
      }
    }
  }

  #renew(signal: AbortSignal): Promise<SessionView> {
    const { epoch } = this.#view
    const path = `${this.#path}/renew`
    return this.#api.attempt({ method: 'POST', path, body: { epoch }, signal, timeoutMs: renewTimeoutMs })
  }
}

function isOver(error: unknown): boolean {
  return error instanceof GreenroomApiError && overCodes.includes(error.code)
}
