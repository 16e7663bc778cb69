import type { Test } from 'tap'
import { until } from '../../bed/processes/until.ts'
import { createKubeTransport } from '../../src/cluster/kube-transport.ts'
import { createListWatch, type ListWatchOptions } from '../../src/cluster/list-watch.ts'
import type { KubeObject } from '../../src/cluster/watch-stream.ts'
import { type FakeApiServer, startFakeApiServer } from './fake-api-server.ts'
import { createLogLines } from './log-lines.ts'

/** A list and its watch against an API server that misbehaves as told. */

type Item = { uid: string; name: string; version: string }

interface Bed {
  fake: FakeApiServer
  listWatch: ReturnType<typeof createListWatch<KubeObject, Item>>
  changes: string[]
  names: () => string[]
  staleReasons: string[]
  logLines: Record<string, unknown>[]
  watching: (count?: number) => Promise<void>
}

const timing = {
  relistMs: 600_000,
  watchSeconds: 30,
  silenceGraceMs: 5_000,
  backoffMinMs: 5,
  backoffMaxMs: 40,
}

export async function listWatchBed(
  t: Test,
  options: Partial<ListWatchOptions<KubeObject, Item>> = {},
  prepare: (fake: FakeApiServer) => void = () => undefined,
): Promise<Bed> {
  const fake = await startFakeApiServer()
  prepare(fake)
  const transport = createKubeTransport(fake.access, { timeoutMs: 1_000 })
  const { logger, lines } = createLogLines()
  const changes: string[] = []
  const kept = new Map<string, string>()
  const staleReasons: string[] = []
  const listWatch = createListWatch<KubeObject, Item>({
    transport,
    path: '/api/v1/namespaces/agents/pods',
    keep: ({ metadata }) => ({
      uid: metadata?.uid ?? '',
      name: metadata?.name ?? '',
      version: metadata?.resourceVersion ?? '',
    }),
    onChange: (item, isGone) => {
      changes.push(`${isGone ? '-' : '+'}${item.name}`)
      if (isGone) kept.delete(item.uid)
      else kept.set(item.uid, item.name)
    },
    onStale: (reason) => staleReasons.push(reason),
    logger,
    ...options,
    timing: { ...timing, ...options.timing },
  })
  listWatch.start()
  t.teardown(async () => {
    await listWatch.stop()
    transport.close()
    await fake.stop()
  })
  return {
    fake,
    listWatch,
    changes,
    staleReasons,
    logLines: lines,
    names: () => [...kept.values()].sort(),
    async watching(count = 1): Promise<void> {
      const isOpen = () => fake.watches.length >= count && fake.openWatches().length === 1
      await until(`watch ${count} is open`, isOpen)
    },
  }
}
