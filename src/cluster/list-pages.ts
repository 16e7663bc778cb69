import type { KubeTransport } from './kube-transport.ts'

interface ListPage<T> {
  readonly items: readonly T[]
  /** Of the list, the same for all of its pages. */
  readonly resourceVersion: string | undefined
}

interface ListPagesOptions {
  readonly transport: KubeTransport
  /** Of a collection. */
  readonly path: string
  readonly labelSelector?: string | undefined
  readonly fieldSelector?: string | undefined
  readonly signal?: AbortSignal
}

/** The raw page. */
interface RawPage<T> {
  readonly metadata?: { readonly resourceVersion?: string; readonly continue?: string }
  readonly items?: readonly T[]
}

/** As many as client-go's pager asks for: a page of pods stays below a few MiB, and 5,000 pods are ten requests. */
const pageSize = 500

/**
 * A list, one page in memory at a time. Throws KubeApiError.
 *
 * The objects are JSON as it is on the wire. The typed clients build each object anew from the fields they know and drop
 * the rest, but the policy judges all fields of a pod, and new ones first of all. Lists must also look like watch events,
 * in which times are strings.
 */
export async function* listPages<T>(options: ListPagesOptions): AsyncGenerator<ListPage<T>> {
  const { transport, path, signal } = options
  let next: string | undefined
  do {
    const query = new URLSearchParams({ limit: String(pageSize), ...selectorQuery(options) })
    if (next) query.set('continue', next)
    const { metadata, items = [] }: RawPage<T> = await transport.getJson(
      `${path}?${query.toString()}`,
      signal,
    )
    yield { items, resourceVersion: metadata?.resourceVersion }
    next = metadata?.continue
  } while (next)
}

/** Query parameters of a list and of its watch. */
export function selectorQuery({
  labelSelector,
  fieldSelector,
}: Pick<ListPagesOptions, 'labelSelector' | 'fieldSelector'>): Record<string, string> {
  return {
    ...(labelSelector !== undefined && { labelSelector }),
    ...(fieldSelector !== undefined && { fieldSelector }),
  }
}
