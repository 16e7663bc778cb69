import t, { type Test } from 'tap'
import type { AcceptedDocumentClients } from '../../src/cluster/accepted-document.ts'
import type { DocumentExaminer } from '../../src/cluster/document-examination.ts'
import { createDocumentWatch } from '../../src/cluster/document-watch.ts'
import { KubeApiError } from '../../src/cluster/kube-api-error.ts'
import { createKubeTransport } from '../../src/cluster/kube-transport.ts'
import { type FakeApiServer, startFakeApiServer } from './fake-api-server.ts'
import { createLogLines } from './log-lines.ts'

/** A document and its accepted text over the fake API server. */

export const source = 'greenroom.dev/source-resource-version'
const where = { namespace: 'n', name: 'accepted' }

interface KeptObject {
  readonly metadata: { readonly resourceVersion?: string; readonly annotations?: Record<string, string> }
  readonly data?: Record<string, string>
}

/** ConfigMap `accepted` of the fake, with compare-and-set; its writes fail on demand. */
export function createKept(fake: FakeApiServer) {
  fake.selective = true
  const kept = { failures: 0, writes: 0, reads: 0, makes: 0 }
  let object: KeptObject | undefined
  const put = (next: KeptObject): KeptObject => {
    object = fake.put('accepted', { ...next }) as KeptObject
    return object
  }
  const call = async <T>(effect: () => T): Promise<T> => {
    await Promise.resolve()
    if (kept.failures > 0) {
      kept.failures -= 1
      throw new KubeApiError('the API server cannot be reached')
    }
    return effect()
  }
  const core: AcceptedDocumentClients['core'] = {
    readNamespacedConfigMap: (of) =>
      call(() => {
        t.match(of, where)
        kept.reads += 1
        if (!object) throw new KubeApiError('not found', { status: 404 })
        return object
      }),
    patchNamespacedConfigMap: (of) =>
      call(() => {
        t.match(of, { ...where, force: true, fieldManager: 'greenroom-make' })
        kept.makes += 1
        return object ?? put({ metadata: {} })
      }),
    replaceNamespacedConfigMap: (of) =>
      call(() => {
        t.match(of, where)
        const { metadata } = of.body
        if (metadata?.resourceVersion !== object?.metadata.resourceVersion) {
          throw new KubeApiError('conflict', { status: 409 })
        }
        kept.writes += 1
        return put(of.body as KeptObject)
      }),
  }
  return {
    kept,
    core,
    text: () => object?.data?.key,
    annotation: (name: string) => object?.metadata.annotations?.[name],
    version: () => object?.metadata.annotations?.[source],
    put: (text: string, version: string) =>
      put({ metadata: { annotations: { [source]: version } }, data: { key: text } }),
    remove: () => {
      object = undefined
      fake.remove('accepted')
    },
  }
}

interface BedOptions {
  readonly keptText?: string
  readonly write?: boolean
  readonly fake?: FakeApiServer
  readonly kept?: ReturnType<typeof createKept>
  readonly examiner?: DocumentExaminer<string>
}

export async function documentBed(test: Test, options: BedOptions = {}) {
  const fake = options.fake ?? (await startFakeApiServer())
  const transport = createKubeTransport(fake.access)
  const { logger, lines } = createLogLines()
  const accepted = options.kept ?? createKept(fake)
  if (options.keptText !== undefined) accepted.put(options.keptText, '42')
  const changes: string[] = []
  const rejected: string[] = []
  const watch = createDocumentWatch<string>({
    clients: { transport, core: accepted.core },
    namespace: 'n',
    name: 'document',
    key: 'key',
    check: (text) => {
      if (text === 'throw') throw new Error('check broke')
      return text.startsWith('good')
        ? { ok: true, value: text }
        : { ok: false, problems: [`not good: ${text}`] }
    },
    accepted: { name: 'accepted', write: options.write ?? false },
    ...(options.examiner && { examiner: options.examiner }),
    logger,
    onRejected: ({ problems }) => {
      rejected.push(...problems)
      throw new Error('the handler broke')
    },
    timing: { backoffMinMs: 5, backoffMaxMs: 20, settleMs: 30 },
  })
  watch.onChange((text) => changes.push(text))
  test.teardown(async () => {
    await watch.stop()
    transport.close()
    if (!options.fake) await fake.stop()
  })
  const put = (text: string) => fake.put('document', { data: { key: text } }).metadata.resourceVersion
  return { fake, watch, put, accepted, kept: accepted.kept, changes, rejected, lines }
}
