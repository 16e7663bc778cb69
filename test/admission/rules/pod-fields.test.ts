import * as client from '@kubernetes/client-node'
import t from 'tap'
import type { Pod } from '../../../src/admission/pod/pod.ts'
import { freeFields } from '../../../src/admission/rules/pod-fields.ts'
import { mutated, violationsIn } from '../pod-creation.ts'
import { samplePod } from '../pod-samples.ts'
import { contradictions, differences, fieldLists } from './pod-field-coverage.ts'

/** The client's models were generated from the API of Kubernetes 1.36; test/integration asks a running API server. */

interface Model {
  getAttributeTypeMap(): readonly { readonly baseName: string; readonly type: string }[]
}

function fieldsOf(type: string, at: string): string[] {
  const model = (client as unknown as Readonly<Record<string, Model | undefined>>)[type]
  if (!model?.getAttributeTypeMap) return [at]
  return model.getAttributeTypeMap().flatMap(({ baseName, type: inner }) => {
    const element = /^Array<(.*)>$/.exec(inner)?.[1]
    return fieldsOf(element ?? inner, `${at}.${baseName}${element ? '[*]' : ''}`)
  })
}

const fields = fieldsOf('V1PodSpec', 'spec')

void t.test('every field of a pod is judged, free or refused, and only one of these', async (t) => {
  t.ok(fields.length > 700, `${fields.length} fields`)
  t.same(differences(fields), [])
  t.same(contradictions(), [])
  for (const { why } of freeFields) t.match(why, /\w+ \w+/)
})

void t.test('the walk sees a new field, an entry that is gone and one that no rule judges', async (t) => {
  t.same(differences([...fields, 'spec.containers[*].newDevices[*].path']), [
    'spec.containers.*.newDevices.*.path is in 0 lists',
  ])
  t.same(differences([...fields, 'spec.volumes[*].newKind.source', 'spec.newIdentity']).length, 2)
  const stale = { ...fieldLists, free: [...fieldLists.free, 'spec.gone'] }
  t.same(differences(fields, stale), ['spec.gone is no field of a pod'])
  t.same(contradictions({ ...fieldLists, judged: [...fieldLists.judged, 'spec.hostname'] }), [
    'no rule judges spec.hostname',
  ])
  t.match(contradictions({ ...fieldLists, free: ['spec.hostNetwork'] }), [/judges spec\.hostNetwork/])
})

const found = (spec: object, container: object = {}): string[] =>
  violationsIn(mutated(samplePod({ spec: spec as Partial<Pod['spec']>, container })))
    .filter(({ rule }) => /^(unknown|refused)-fields$|^volume-kinds$/.test(rule))
    .map(({ rule, path }) => `${rule} ${path}`)

void t.test('a field that this version does not know is refused wherever it could matter', async (t) => {
  const at = (path: string): string[] => [`unknown-fields spec${path}`]
  const volume = (content: object): object => ({ volumes: [{ name: 'v', ...content }] })
  const container = '.containers[0]'
  t.same(found({}), [])
  t.same(found({ workloadIdentity: { name: 'x' } }), at('.workloadIdentity'))
  t.same(found({}, { devices: [{ path: '/dev/kvm' }] }), at(`${container}.devices`))
  t.same(
    found({}, { securityContext: { kernelAccess: true } }),
    at(`${container}.securityContext.kernelAccess`),
  )
  t.same(found({}, { envFrom: [{ vaultRef: {} }] }), at(`${container}.envFrom[0].vaultRef`))
  t.same(found({}, { resources: { pools: ['gpu'] } }), at(`${container}.resources.pools`))
  t.same(
    found({}, { env: [{ name: 'A', valueFrom: { vaultRef: { name: 'x' } } }] }),
    at(`${container}.env[A].valueFrom.vaultRef`),
  )
  t.same(
    found(
      {},
      { env: [{ name: 'A', valueFrom: { configMapKeyRef: { name: 'x', key: 'k', namespace: 'y' } } }] },
    ),
    at(`${container}.env[A].valueFrom.configMapKeyRef.namespace`),
  )
  t.same(
    found(volume({ configMap: { name: 'x', namespace: 'kube-system' } })),
    at('.volumes[0].configMap.namespace'),
  )
  t.same(
    found(volume({ projected: { sources: [{ workloadToken: {} }] } })),
    at('.volumes[0].projected.sources[0].workloadToken'),
  )
  t.same(
    found(volume({ newKind: {} })),
    ['volume-kinds spec.volumes[0].newKind'],
    'Pod Security says it first',
  )
  t.same(found({ workloadIdentity: null }), [], 'nothing')
})

void t.test('fields that bring in files, devices or an identity are refused', async (t) => {
  const refused = (path: string): string[] => [`refused-fields spec${path}`]
  t.same(
    found({}, { volumeDevices: [{ name: 'v', devicePath: '/dev/xvda' }] }),
    refused('.containers[0].volumeDevices'),
  )
  t.same(found({}, { volumeDevices: [] }), [])
  const certificate = {
    projected: { sources: [{ podCertificate: { signerName: 'x/y', keyType: 'ED25519' } }] },
  }
  t.same(
    found({ volumes: [{ name: 'v', ...certificate }] }),
    refused('.volumes[0].projected.sources[0].podCertificate'),
  )
  const claimOf = (spec: object): object => ({
    volumes: [{ name: 'v', ephemeral: { volumeClaimTemplate: { spec } } }],
  })
  const claim = { accessModes: ['ReadWriteOnce'], resources: { requests: { storage: '1Gi' } } }
  t.same(found(claimOf(claim)), [])
  for (const field of ['dataSource', 'dataSourceRef', 'selector']) {
    const path = `.volumes[0].ephemeral.volumeClaimTemplate.spec.${field}`
    t.same(found(claimOf({ ...claim, [field]: { name: 'x' } })), refused(path))
  }
  const windows = { windowsOptions: { gmsaCredentialSpecName: 'x' } }
  const inContainer = found({}, { securityContext: windows })
  t.same(inContainer, refused('.containers[0].securityContext.windowsOptions.gmsaCredentialSpecName'))
})
