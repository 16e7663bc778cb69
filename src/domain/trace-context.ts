/** Where a call stands in its trace, as it is told from process to process (W3C Trace Context, level 1). */
export interface TraceContext {
  readonly traceparent: string
  /** What tracing systems add for themselves; passed on as it is. */
  readonly tracestate?: string | undefined
}

type Header = string | readonly string[] | undefined

const form = /^([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?$/

/** By the standard 512 characters and 32 members are enough for everybody. */
const mostStateLength = 512
const mostStateMembers = 32
const stateMember =
  /^[a-z0-9][a-z0-9_*/@-]{0,255}=[\x20-\x2b\x2d-\x3c\x3e-\x7e]{0,255}[\x21-\x2b\x2d-\x3c\x3e-\x7e]$/

/**
 * The trace that a request names; undefined when it names none or what it names is not valid. A later version of the
 * header is passed on as the version that is known. A `tracestate` that is not valid is dropped alone.
 */
export function traceContextOf(headers: Readonly<Record<string, Header>>): TraceContext | undefined {
  const traceparent = traceparentOf(headers.traceparent)
  if (traceparent === undefined) return undefined
  const tracestate = tracestateOf(headers.tracestate)
  return tracestate === undefined ? { traceparent } : { traceparent, tracestate }
}

/** What an answer and a log line name. */
export function traceIdOf({ traceparent }: TraceContext): string {
  return traceparent.slice(3, 35)
}

function traceparentOf(header: Header): string | undefined {
  if (typeof header !== 'string' || header.length > 200) return undefined
  const [, version, traceId = '', parentId = '', flags, more] = form.exec(header) ?? []
  if (version === undefined || version === 'ff' || (version === '00' && more !== undefined)) return undefined
  if (/^0+$/.test(traceId) || /^0+$/.test(parentId)) return undefined
  return `00-${traceId}-${parentId}-${flags}`
}

function tracestateOf(header: Header): string | undefined {
  if (typeof header !== 'string' || header.length > mostStateLength) return undefined
  const members = header
    .split(',')
    .map((member) => member.trim())
    .filter((member) => member !== '')
  const isValid = members.length <= mostStateMembers && members.every((member) => stateMember.test(member))
  return isValid && members.length > 0 ? members.join(',') : undefined
}
