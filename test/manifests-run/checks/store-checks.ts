import type { V1Job, V1PersistentVolumeClaim, V1StatefulSet } from '@kubernetes/client-node'
import { textOf } from '../documents.ts'
import { type ManifestSet, nameOf, ofKind, workloads } from '../manifest-set.ts'
import { containersOf } from './workload-checks.ts'

/** Databases, LiveKit, and where passwords come from. */

interface VolumeSnapshot {
  readonly spec: { readonly source: { readonly persistentVolumeClaimName?: string } }
}

/** An object in the place of a command that kubectl does not have; it names a claim that is there. */
export function snapshotsOfNothing(set: ManifestSet): string[] {
  const made = ofKind<V1StatefulSet>(set, 'StatefulSet').flatMap(({ metadata, spec }) =>
    (spec?.volumeClaimTemplates ?? []).map((claim) => `${claim.metadata?.name}-${metadata.name}-0`),
  )
  const claims = ofKind<V1PersistentVolumeClaim>(set, 'PersistentVolumeClaim').map(
    ({ metadata }) => metadata.name,
  )
  return ofKind<VolumeSnapshot>(set, 'VolumeSnapshot').flatMap(({ apiVersion, spec }) => {
    const name = spec.source.persistentVolumeClaimName
    return [
      ...(apiVersion === 'snapshot.storage.k8s.io/v1' ? [] : [`a VolumeSnapshot is ${apiVersion}`]),
      ...([...made, ...claims].includes(name ?? '')
        ? []
        : [`a VolumeSnapshot is of ${name}, which is not there`]),
    ]
  })
}

export function oldExternalSecrets(set: ManifestSet): string[] {
  return ofKind(set, 'ExternalSecret', 'SecretStore', 'ClusterSecretStore')
    .filter(({ apiVersion }) => apiVersion !== 'external-secrets.io/v1')
    .map((object) => `${nameOf(object)} is ${object.apiVersion}`)
}

/** A database is a StatefulSet with a claim, or is elsewhere; and no set brings a password that somebody could know. */
export function databasesWithAKnownPassword(set: ManifestSet): string[] {
  const isDatabase = (image: string | undefined) => /(^|\/)postgres[:@]/.test(image ?? '')
  const servers = workloads(set).filter(
    ({ object, template }) =>
      !object.kind.endsWith('Job') && containersOf(template.spec).some(({ image }) => isDatabase(image)),
  )
  const outside = /overlays\/(staging|prod)$/.test(set.name) && set.name.startsWith('manifests/')
  return [
    ...servers
      .filter(({ object }) => object.kind !== 'StatefulSet')
      .map(({ object }) => `${nameOf(object)} is no StatefulSet`),
    ...(outside
      ? servers.map(({ object }) => `${nameOf(object)}: the database of ${set.name} is elsewhere`)
      : []),
    ...passwordsIn(set),
  ]
}

const secretName = /PASSWORD|SECRET|TOKEN|API_?KEYS?$/
/** A switch is no secret, whatever its name is. */
const noSecret = new Set([undefined, '', 'true', 'false'])
/** A user and a password in an address, but not a variable that Kubernetes puts in. */
const dsn = /:\/\/[^\s:/@"']*:(?!\$\()[^\s:/@"']+@/

function passwordsIn(set: ManifestSet): string[] {
  const inEnv = workloads(set).flatMap(({ object, template }) =>
    containersOf(template.spec).flatMap(({ env = [] }) =>
      env
        .filter(({ name, value }) => !noSecret.has(value) && secretName.test(name))
        .map(({ name }) => `${nameOf(object)} has a value for ${name}`),
    ),
  )
  const inText = set.objects
    .filter((object) => dsn.test(JSON.stringify(object)))
    .map((object) => `${nameOf(object)} has a password in an address`)
  return [...inEnv, ...inText]
}

/** Secrets are made from .env, sealed, or fetched from a store; none is written down. */
export function secretsWrittenDown(set: ManifestSet): string[] {
  return ofKind(set, 'Secret')
    .filter(({ data, stringData }) => Object.keys({ ...data, ...stringData }).length > 0)
    .map((object) => `${nameOf(object)} has values`)
}

export function databasesWithoutMigration(set: ManifestSet): string[] {
  if (!set.objects.some(({ metadata }) => metadata.name === 'session-management-server')) return []
  const jobs = ofKind<V1Job>(set, 'Job').filter(
    ({ spec }) => spec?.template.spec?.containers[0]?.args?.join(' ') === 'migrate',
  )
  return jobs.length === 1 ? [] : [`${jobs.length} Jobs migrate`]
}

export function liveKitOnLoopback(set: ManifestSet): string[] {
  const servers = workloads(set).filter(({ object }) => object.metadata.name === 'livekit')
  return servers.flatMap(({ object, template }) => {
    const [container] = template.spec?.containers ?? []
    const keys = container?.env?.find(({ name }) => name === 'LIVEKIT_KEYS')?.valueFrom?.secretKeyRef
    const configuration = textOf(set, 'livekit', 'livekit.yaml') ?? ''
    return [
      ...(container?.args?.includes('--dev') ? [`${nameOf(object)} has --dev`] : []),
      ...(keys ? [] : [`${nameOf(object)} has no keys from a Secret`]),
      ...(/^bind_addresses: \["0\.0\.0\.0"\]$/m.test(configuration)
        ? []
        : [`${nameOf(object)} binds no address`]),
    ]
  })
}

/** Where the documents have two names for one thing. */
const oneNameOf: readonly (readonly [wrong: RegExp, right: string])[] = [
  [/^sekha-controller sekha-db-secret$/, 'sekha-secrets'],
  [/ sekha-ai\//, 'sekhaha/'],
]
/** Provider keys that are read when they are used. */
const optionalKeys = ['OPENAI_API_KEY', 'GEMINI_API_KEY', 'GOOGLE_API_KEY', 'LIVEKIT_URL', 'LIVEKIT_API_KEY']

export function twoNamesForOne(set: ManifestSet): string[] {
  return workloads(set).flatMap(({ object, template }) =>
    containersOf(template.spec).flatMap(({ image = '', env = [] }) => {
      const references = env.flatMap(({ name: variable, valueFrom }) => {
        const { name = '', optional } = valueFrom?.secretKeyRef ?? {}
        return name === '' ? [] : [{ variable, name, optional }]
      })
      const names = [image, ...references.map(({ name }) => name)]
      return [
        ...names.flatMap((name) =>
          oneNameOf
            .filter(([wrong]) => wrong.test(`${object.metadata.name} ${name}`))
            .map(([, right]) => `${nameOf(object)}: ${name} is ${right}`),
        ),
        ...references
          .filter(({ variable, optional }) => optionalKeys.includes(variable) && optional !== true)
          .map(({ variable }) => `${nameOf(object)} does not start without ${variable}`),
      ]
    }),
  )
}
