import { type BedAnswer, createBedClient } from '../../bed/replicas/bed-client.ts'
import type { Answer, History, Operation, Outcome } from './history.ts'

/** A caller of the session API whose every request and answer is in the history. */
export interface RecordedCaller {
  open(key: string, body: object, options?: CallOptions): Promise<Heard>
  renew(held: Answer): Promise<Heard>
  /** Waits a while for it to become ACTIVE. */
  read(held: Answer, waitMs: number): Promise<Heard>
  end(held: Answer): Promise<Heard>
  close(): void
}

interface CallOptions {
  /** Hangs up. */
  readonly signal?: AbortSignal
}

export interface Heard {
  readonly outcome: Outcome
  /** 0 without an answer. */
  readonly status: number
  readonly retryAfterMs: number | undefined
  readonly ms: number
}

interface CallerOptions {
  readonly url: string
  readonly apiKey: string
  readonly history: History
  /** Number of this caller in the history. */
  readonly process: number
  readonly keepAlive: boolean
  readonly timeoutMs: number
}

/** Answers that say: nothing was done. After any other refusal an open or an end may have taken effect. */
const refusals = ['GRN_POOL_EMPTY', 'GRN_POOL_DEGRADED', 'GRN_SHUTTING_DOWN', 'GRN_NOT_READY']

export function createRecordedCaller(options: CallerOptions): RecordedCaller {
  const { history, process } = options
  const client = createBedClient(options)

  async function recorded(operation: Operation, ask: () => Promise<BedAnswer>): Promise<Heard> {
    const settle = history.invoke(process, operation)
    const begun = performance.now()
    const heard = await ask().then(heardFrom, (error: unknown): Heard => {
      const { code, name } = error as NodeJS.ErrnoException
      const outcome = { type: 'unknown', code: code ?? name } as const
      return { outcome, status: 0, retryAfterMs: undefined, ms: performance.now() - begun }
    })
    settle(heard.outcome)
    return heard
  }

  return {
    open: (key, body, { signal } = {}) =>
      recorded({ kind: 'open', key }, () =>
        client.call({
          method: 'POST',
          path: '/v1/sessions',
          body,
          headers: { 'idempotency-key': key },
          ...(signal && { signal }),
        }),
      ),
    renew: ({ session, epoch }) =>
      recorded({ kind: 'renew', session, epoch }, () => client.renew(session, epoch)),
    read: ({ session }, waitMs) =>
      recorded({ kind: 'read', session }, () =>
        client.read(session, `?waitFor=ACTIVE&waitMs=${Math.ceil(waitMs)}`),
      ),
    end: ({ session, epoch }) =>
      recorded({ kind: 'end', session, epoch }, () => client.end(session, `?epoch=${epoch}`)),
    close: client.close,
  }
}

function heardFrom({ status, headers, body, ms }: BedAnswer): Heard {
  const retryAfter = headers['retry-after']
  const retryAfterMs = retryAfter === undefined ? undefined : Number(retryAfter) * 1_000
  return { outcome: outcomeOf(status, body), status, retryAfterMs, ms }
}

function outcomeOf(status: number, body: BedAnswer['body']): Outcome {
  if (status >= 200 && status < 300) {
    const live = body.status === 'PENDING' || body.status === 'ACTIVE'
    return {
      type: 'ok',
      answer: {
        session: body.id,
        pod: body.activeAt === undefined ? '' : (body.pod?.uid ?? ''),
        epoch: body.epoch,
        live,
      },
    }
  }
  const isCertain = status < 500 || refusals.includes(body.code)
  return { type: isCertain ? 'fail' : 'unknown', code: body.code ?? `HTTP ${status}` }
}
