import type { Logger } from 'pino'
import { apiPath } from './api-path.ts'
import type { KubeTransport } from './kube-transport.ts'
import { createListWatch } from './list-watch.ts'
import type { KubeObject } from './watch-stream.ts'

interface LimitRangeWatchOptions {
  readonly transport: KubeTransport
  readonly namespace: string
  readonly logger: Pick<Logger, 'info' | 'warn' | 'error'>
  /** A LimitRange of the namespace came, changed or went; not for those of the first list. */
  readonly onChange: () => void
}

/** Tells of changes of the LimitRanges of a namespace. What they say is left to the API server: a dry run asks it. */
export function createLimitRangeWatch({ transport, namespace, logger, onChange }: LimitRangeWatchOptions) {
  const listWatch = createListWatch<KubeObject, string>({
    transport,
    path: apiPath({ resource: 'limitranges', namespace }),
    keep: ({ metadata }) => metadata?.name,
    onChange: () => {
      if (listWatch.synced()) onChange()
    },
    logger,
  })
  return { start: () => listWatch.start(), stop: () => listWatch.stop() }
}
