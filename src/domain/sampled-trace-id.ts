/** The trace of a valid `traceparent` (W3C Trace Context), if it is kept: a metric must not name one that nobody can look up. */
export function sampledTraceId(traceparent: string | undefined): string | undefined {
  const [, traceId, , flags] = traceparent?.split('-') ?? []
  return (Number.parseInt(flags ?? '', 16) & 1) === 1 ? traceId : undefined
}
