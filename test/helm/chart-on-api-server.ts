import { cp, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Test } from 'tap'
import { root } from '../../bed/repository.ts'

import type { ControlPlane } from '../../bed/servers/control-plane.ts'
import { chart, createHelm } from '../../bed/servers/helm.ts'
import { findHelm } from '../../bed/set-up/binaries.ts'
import type { Manifest } from '../support/built-manifests.ts'
import { objectsIn } from './rendered-chart.ts'

/** The chart on an API server with Greenroom's admission: what it takes, and which pods the chart's policy lets in. */

interface Bed {
  readonly plane: ControlPlane
  /** For Helm's settings. */
  readonly folder: string
  readonly untilPolicySays: (text: string) => Promise<void>
}

const everything = ['dev', 'staging'].flatMap((name) => ['-f', `${root}/manifests/helm/values/${name}.yaml`])

interface PlainPod extends Manifest {
  readonly spec?: { readonly containers: readonly object[] }
}

export async function checkChart(t: Test, { plane, folder, untilPolicySays }: Bed): Promise<void> {
  const program = findHelm()
  if (!program) throw new Error('helm is missing: run "npm run setup -- --tests" first')
  const helm = createHelm(folder, program, plane.kubeconfigPath)
  const rendered = await helm(['template', 'greenroom', chart, ...everything])
  t.equal(rendered.code, 0, rendered.stderr)
  const objects = objectsIn(rendered.stdout)
  const apply = (some: readonly Manifest[], ...more: readonly string[]) =>
    plane.kubectl(['apply', '--server-side', '--validate=strict', '--force-conflicts', ...more, '-f', '-'], {
      input: JSON.stringify({ apiVersion: 'v1', kind: 'List', items: some }),
    })

  await t.test('every object is valid', async (t) => {
    for (const { metadata } of objects.filter(({ kind }) => kind === 'Namespace'))
      await plane.createNamespace(metadata.name, metadata.labels)
    // Its webhook configurations have the names of this bed's, which call a webhook beside the cluster.
    const renamed = objects
      .filter(({ kind }) => kind !== 'Pod')
      .map((object) =>
        object.kind.endsWith('WebhookConfiguration')
          ? { ...object, metadata: { ...object.metadata, name: `${object.metadata.name}-of-the-chart` } }
          : object,
      )
    const { code, stdout, stderr } = await apply(renamed, '--dry-run=server')
    t.equal(code, 0, stderr)
    // The base's policy is in force, with the same version and without the row of `helm test`.
    t.notMatch(stderr.replace(/^Warning: \/version: is still .*$/m, ''), 'Warning')
    t.equal(stdout.trim().split('\n').length, objects.length - 1)
  })

  await t.test('the pod of helm test is let in, for its one command and with its one variable', async (t) => {
    const wanted = objects.filter(
      ({ kind, metadata }) =>
        /^(ServiceAccount|PriorityClass)$/.test(kind) || metadata.name === 'agent-policy',
    )
    const applied = await apply(wanted)
    t.equal(applied.code, 0, applied.stderr)
    await untilPolicySays('serviceAccount: greenroom-test')
    const pod = objects.find(({ kind }) => kind === 'Pod') as PlainPod | undefined
    const [container] = pod?.spec?.containers ?? []
    if (!pod?.spec || !container) throw new Error('the chart has no test')
    const create = async (other: object) =>
      plane.kubectl(['create', '--dry-run=server', '-f', '-'], {
        input: JSON.stringify({ ...pod, spec: { ...pod.spec, containers: [{ ...container, ...other }] } }),
      })
    const asItIs = await create({})
    t.equal(asItIs.code, 0, asItIs.stderr)
    t.match(await create({ args: ['api'] }), { code: 1, stderr: /rule component-shape/ })
    const secret = { name: 'session-management-server', key: 'GREENROOM_HMAC_SECRET' }
    const env = [{ name: 'GREENROOM_API_KEY', valueFrom: { secretKeyRef: secret } }]
    t.match(await create({ env }), { code: 1, stderr: /rule component-shape/ })
  })

  await t.test("Helm's notes name the Secrets that are missing, and no others", async (t) => {
    // The API server of this bed was built without a version, which the chart's kubeVersion would refuse.
    const copy = join(folder, 'chart')
    await cp(chart, copy, { recursive: true, dereference: true })
    const meta = await readFile(join(copy, 'Chart.yaml'), 'utf8')
    await writeFile(join(copy, 'Chart.yaml'), meta.replace(/^kubeVersion:.*$/m, ''))
    const install = [
      'install',
      'greenroom',
      copy,
      '--dry-run=server',
      '--take-ownership',
      '--force-conflicts',
    ]
    const notes = async () => {
      const { code, stdout, stderr } = await helm([...install, '--hide-secret'])
      t.equal(code, 0, stderr)
      return stdout.slice(stdout.indexOf('NOTES:'))
    }
    const missing = 'create secret generic greenroom-migrate --from-env-file=migrate.env'
    t.match(await notes(), missing)
    const create = ['create', 'secret', 'generic', 'greenroom-migrate', '-n', 'ai-agents']
    const made = await plane.kubectl(create)
    t.equal(made.code, 0, made.stderr)
    const later = await notes()
    t.notMatch(later, missing)
    t.match(later, 'create secret generic session-management-server')
    t.match(later, 'helm test greenroom')
  })
}
