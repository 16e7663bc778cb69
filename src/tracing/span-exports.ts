import type * as OpenTelemetrySdk from '@opentelemetry/sdk-trace'
import type { ReadableSpan, SpanExporter, SpanProcessor } from '@opentelemetry/sdk-trace'

type Sdk = typeof OpenTelemetrySdk

/** `failed`: the collector did not take them. `dropped`: so many waited already that there was no room. */
export type SpanOutcome = 'exported' | 'failed' | 'dropped'

interface SpanExportOptions {
  readonly sdk: Sdk
  readonly exporter: SpanExporter
  readonly onOutcome: (outcome: SpanOutcome, count: number) => void
  /** Called when the collector takes no spans any more, and when it takes them again. */
  readonly onChange: (isWell: boolean, error: Error | undefined) => void
}

/** Some 8 MB of spans: a collector that hangs costs no more, and 30 s of it at 20 opens a second lose nothing. */
export const mostWaitingSpans = 8_192
const everyMs = 1_000

/**
 * Sends spans in batches, one at a time, and counts every one of them. Nobody ever waits for it. The SDK's processor would
 * drop what is too much without telling how much.
 */
export function createSpanExports({ sdk, exporter, onOutcome, onChange }: SpanExportOptions): SpanProcessor {
  let waiting = 0
  let isWell = true
  const counted: SpanExporter = {
    export(spans, done) {
      waiting -= spans.length
      exporter.export(spans, (result) => {
        // 0 is success; the enum is in a package that is not ours to import.
        const succeeded = result.code === 0
        onOutcome(succeeded ? 'exported' : 'failed', spans.length)
        if (succeeded !== isWell) onChange(succeeded, result.error)
        isWell = succeeded
        done(result)
      })
    },
    shutdown: () => exporter.shutdown(),
  }
  const batches = new sdk.BatchSpanProcessor({
    exporter: counted,
    maxQueueSize: mostWaitingSpans,
    scheduledDelayMillis: everyMs,
  })
  return {
    onStart() {},
    onEnd(span: ReadableSpan) {
      if (waiting >= mostWaitingSpans) return onOutcome('dropped', 1)
      waiting += 1
      batches.onEnd(span)
    },
    forceFlush: () => batches.forceFlush(),
    shutdown: () => batches.shutdown(),
  }
}
