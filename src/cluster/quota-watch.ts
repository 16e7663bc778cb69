import type { Logger } from 'pino'
import type { Quota } from '../domain/quota.ts'
import { apiPath } from './api-path.ts'
import type { KubeTransport } from './kube-transport.ts'
import { createListWatch, type ListWatchTiming } from './list-watch.ts'
import type { KubeObject } from './watch-stream.ts'

/** The ResourceQuotas of a namespace, watched. */
interface QuotaWatch {
  start(): void
  stop(): Promise<void>
  /** undefined until they were listed once. */
  current(): readonly Quota[] | undefined
}

interface QuotaWatchOptions {
  readonly transport: KubeTransport
  readonly namespace: string
  /** `before` is undefined for a quota that is new here, `after` for one that went. */
  readonly onChange?: (before: Quota | undefined, after: Quota | undefined) => void
  readonly logger: Pick<Logger, 'info' | 'warn' | 'error'>
  readonly timing?: Partial<ListWatchTiming>
}

export type RawQuota = KubeObject & {
  readonly spec?: {
    readonly hard?: Readonly<Record<string, string>>
    readonly scopes?: readonly string[]
    readonly scopeSelector?: {
      readonly matchExpressions?: readonly {
        readonly scopeName: string
        readonly operator: string
        readonly values?: readonly string[]
      }[]
    }
  }
  readonly status?: NonNullable<Quota['enforced']>
}

/** A ResourceQuota as the API server has it. */
export function quotaFrom({ metadata, spec, status }: RawQuota): Quota {
  return {
    name: metadata?.name ?? '',
    hard: spec?.hard ?? {},
    ...(status && { enforced: { hard: status.hard ?? {}, used: status.used ?? {} } }),
    scopes: [
      ...(spec?.scopes ?? []).map((scope) => ({ scope, operator: 'Exists', values: [] })),
      ...(spec?.scopeSelector?.matchExpressions ?? []).map(({ scopeName, operator, values = [] }) => ({
        scope: scopeName,
        operator,
        values,
      })),
    ],
  }
}

export function createQuotaWatch(options: QuotaWatchOptions): QuotaWatch {
  const { transport, namespace, logger, timing } = options
  const quotas = new Map<string, Quota>()
  const listWatch = createListWatch<RawQuota, Quota>({
    transport,
    path: apiPath({ resource: 'resourcequotas', namespace }),
    keep: quotaFrom,
    onChange: (quota, gone) => {
      const before = quotas.get(quota.name)
      if (gone) quotas.delete(quota.name)
      else quotas.set(quota.name, quota)
      options.onChange?.(before, gone ? undefined : quota)
    },
    logger,
    ...(timing && { timing }),
  })
  return {
    start: () => listWatch.start(),
    stop: () => listWatch.stop(),
    current: () => (listWatch.synced() ? [...quotas.values()] : undefined),
  }
}
