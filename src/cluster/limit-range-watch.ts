import type { Logger } from 'pino'
import type { LimitRange } from '../domain/limit-range.ts'
import { apiPath } from './api-path.ts'
import type { KubeTransport } from './kube-transport.ts'
import { createListWatch } from './list-watch.ts'
import type { KubeObject } from './watch-stream.ts'

interface LimitRangeWatchOptions {
  readonly transport: KubeTransport
  readonly namespace: string
  readonly logger: Pick<Logger, 'info' | 'warn' | 'error'>
  /** A LimitRange of the namespace came, changed or went; not for those of the first list. */
  readonly onChange?: () => void
}

type RawLimitRange = KubeObject & { readonly spec?: { readonly limits?: LimitRange['limits'] } }

/** The LimitRanges of a namespace, watched. */
export function createLimitRangeWatch({ transport, namespace, logger, onChange }: LimitRangeWatchOptions) {
  const ranges = new Map<string, LimitRange>()
  const listWatch = createListWatch<RawLimitRange, LimitRange>({
    transport,
    path: apiPath({ resource: 'limitranges', namespace }),
    keep: ({ metadata, spec }) => ({ name: metadata?.name ?? '', limits: spec?.limits ?? [] }),
    onChange: (range, gone) => {
      if (gone) ranges.delete(range.name)
      else ranges.set(range.name, range)
      if (listWatch.synced()) onChange?.()
    },
    logger,
  })
  return {
    start: () => listWatch.start(),
    stop: () => listWatch.stop(),
    /** undefined until they were listed once. */
    current: (): readonly LimitRange[] | undefined => (listWatch.synced() ? [...ranges.values()] : undefined),
  }
}
