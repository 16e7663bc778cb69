import { Type } from 'typebox'
import { label, ownedPrefix } from './names.ts'

/** `labels` and `annotations` of a pool: put on each of its pods, for people, dashboards and other programs. */

const prefix = '([a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?/)?'
const metadataName = `^${prefix}[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$`
const labelValue = '^([A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?$'

const entries = (value: ReturnType<typeof Type.String>, description: string) =>
  Type.Optional(
    Type.Record(Type.String({ pattern: metadataName }), value, {
      propertyNames: { pattern: metadataName },
      // Far more than people use, far less than a pod may have.
      maxProperties: 32,
      description,
    }),
  )

export const metadataProperties = {
  labels: entries(Type.String({ pattern: labelValue }), 'Labels of every pod of the pool.'),
  annotations: entries(Type.String({ maxLength: 4_096 }), 'Annotations of every pod of the pool.'),
}

/** Other parts decide about these: admission, the policy, the controller, or Kubernetes itself. */
const reservedNames: readonly string[] = [label.app, label.agentType, label.session, 'pod-template-hash']

interface Metadata {
  readonly labels?: Readonly<Record<string, string>>
  readonly annotations?: Readonly<Record<string, string>>
}

/** Names that are not the pool's to set; `at` is the path of the pool. */
export function metadataProblems(at: string, { labels = {}, annotations = {} }: Metadata): string[] {
  return [
    ...Object.keys(labels)
      .filter((name) => isReserved(name) || reservedNames.includes(name))
      .map((name) => `${at}/labels: ${name} is not set by a pool`),
    ...Object.keys(annotations)
      .filter(isReserved)
      .map((name) => `${at}/annotations: ${name} is not set by a pool`),
  ]
}

function isReserved(name: string): boolean {
  const [domain = ''] = name.includes('/') ? name.split('/') : []
  return (
    name.startsWith(ownedPrefix) ||
    domain.endsWith('.greenroom.dev') ||
    /(^|\.)(kubernetes|k8s)\.io$/.test(domain)
  )
}
