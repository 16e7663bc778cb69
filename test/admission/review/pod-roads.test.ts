import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { parse } from 'yaml'
import { judgedOfRequest, podRoads } from '../../../src/admission/review/pod-roads.ts'
import { reviewOf } from '../pod-samples.ts'

/** The table of roads and the webhook's configurations say the same. The API server's discovery: test/integration. */

interface Entry {
  readonly name: string
  readonly clientConfig: { readonly service: { readonly path: string } }
  readonly rules: readonly {
    readonly operations: readonly string[]
    readonly apiGroups: readonly string[]
    readonly resources: readonly string[]
  }[]
  readonly failurePolicy: string
}

const webhook = join(import.meta.dirname, '../../../manifests/base/webhook')
const entriesOf = (name: string): readonly Entry[] =>
  (parse(readFileSync(join(webhook, `${name}-webhook-configuration.yaml`), 'utf8')) as { webhooks: Entry[] })
    .webhooks

/** `UPDATE pods/status` for each road that a path of the webhook is asked about, with failurePolicy Fail. */
function guarded(entries: readonly Entry[], path: string): string[] {
  return entries
    .filter(
      ({ clientConfig, failurePolicy }) => clientConfig.service.path === path && failurePolicy === 'Fail',
    )
    .flatMap(({ rules }) => rules)
    .filter(({ apiGroups }) => apiGroups.includes(''))
    .flatMap(({ operations, resources }) =>
      operations.flatMap((operation) => resources.map((resource) => `${operation} ${resource}`)),
    )
}

const judged = podRoads
  .filter(({ judged }) => judged !== 'nothing')
  .map(({ operation, road }) => `${operation} ${road}`)

void t.test('every road that can write a pod is asked about, and no other', async (t) => {
  t.same(guarded(entriesOf('validating'), '/validate').sort(), judged.sort())
  for (const road of guarded(entriesOf('mutating'), '/mutate')) t.ok(judged.includes(road), road)
})

void t.test('what is judged of a request', async (t) => {
  const of = (resource: string, subResource?: string, group = '') =>
    judgedOfRequest(
      reviewOf(null, {
        resource: { group, version: 'v1', resource },
        ...(subResource !== undefined && { subResource }),
      }),
    )
  t.equal(of('pods'), 'pod')
  t.equal(of('pods', 'status'), 'metadata')
  t.equal(of('pods', 'binding'), 'metadata')
  t.equal(of('bindings'), 'metadata')
  t.equal(of('pods', 'exec'), 'nothing')
  t.equal(of('pods', 'tomorrow'), 'pod', 'fails safe')
  for (const other of [of('services'), of('pods', '', 'metrics.k8s.io'), of('__proto__')]) {
    t.equal(other, undefined)
  }
})
