import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { json } from 'node:stream/consumers'
import type { Test } from 'tap'

/** A span as OTLP/JSON has it, with its attributes as an object and the service that sent it. */
export interface CollectedSpan {
  readonly traceId: string
  readonly spanId: string
  readonly parentSpanId?: string
  readonly name: string
  readonly kind: number
  readonly links?: readonly { readonly traceId: string; readonly spanId: string }[]
  readonly status: { readonly code?: number; readonly message?: string }
  readonly events?: readonly unknown[]
  readonly service: string
  readonly attributes: Readonly<Record<string, unknown>>
}

interface RawAttribute {
  readonly key: string
  readonly value: Readonly<Record<string, unknown>>
}
interface Export {
  readonly resourceSpans: readonly {
    readonly resource: { readonly attributes: readonly RawAttribute[] }
    readonly scopeSpans: readonly {
      readonly spans: readonly (Omit<CollectedSpan, 'attributes'> & {
        readonly attributes: readonly RawAttribute[]
      })[]
    }[]
  }[]
}

/** An OpenTelemetry collector that takes OTLP/JSON over HTTP and keeps what it got. `answer` says how it answers. */
export async function startSpanCollector(
  t: Test,
  answer: (response: ServerResponse) => void = (response) => response.end('{}'),
) {
  const spans: CollectedSpan[] = []
  const asked: { readonly path: string; readonly text: string }[] = []
  async function take(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const body = (await json(request)) as Export
    asked.push({ path: request.url ?? '', text: JSON.stringify(body) })
    for (const { resource, scopeSpans } of body.resourceSpans) {
      const service = String(valuesOf(resource.attributes)['service.name'])
      for (const span of scopeSpans.flatMap((scope) => scope.spans))
        spans.push({ ...span, service, attributes: valuesOf(span.attributes) })
    }
    answer(response)
  }
  const server = createServer(
    (request, response) => void take(request, response).catch(() => response.destroy()),
  )
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => {
    server.closeAllConnections()
    server.close()
  })
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, spans, asked }
}

function valuesOf(attributes: readonly RawAttribute[]): Record<string, unknown> {
  return Object.fromEntries(attributes.map(({ key, value }) => [key, Object.values(value)[0]]))
}

export const childrenOf = (
  spans: readonly CollectedSpan[],
  parent: CollectedSpan | undefined,
): CollectedSpan[] => spans.filter(({ parentSpanId }) => parentSpanId === parent?.spanId)
