import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'

/** CRDs with the kinds of agent-sandbox and no more of them than the bench uses; the peer's own are not in this repository. */

export const standInGroup = 'stand-in.test'

interface Version {
  readonly name: string
  readonly served?: boolean
  readonly storage?: boolean
  /** Of spec, by kind. */
  readonly fields: Readonly<Record<string, readonly string[]>>
}

/** A claim names its pool. */
export const newest: Version = {
  name: 'v1beta1',
  fields: {
    SandboxClaim: ['warmPoolRef'],
    SandboxTemplate: ['podTemplate', 'networkPolicyManagement'],
    SandboxWarmPool: ['replicas', 'sandboxTemplateRef'],
  },
}
/** A claim names its template. */
export const older: Version = {
  name: 'v1alpha1',
  fields: {
    SandboxClaim: ['sandboxTemplateRef', 'warmpool'],
    SandboxTemplate: ['podTemplate'],
    SandboxWarmPool: ['replicas', 'sandboxTemplateRef'],
  },
}

export const standInKinds = ['Sandbox', 'SandboxClaim', 'SandboxTemplate', 'SandboxWarmPool'] as const

/** Writes one file for each kind; resolves with the folder. */
export async function writeStandInCrds(
  folder: string,
  versions: readonly Version[],
  kinds: readonly string[] = standInKinds,
): Promise<string> {
  await mkdir(folder, { recursive: true })
  for (const kind of kinds)
    await writeFile(join(folder, `${kind}.yaml`), JSON.stringify(definition(kind, versions)))
  return folder
}

function definition(kind: string, versions: readonly Version[]): object {
  const [singular, plural] = [kind.toLowerCase(), pluralOf(kind)]
  return {
    apiVersion: 'apiextensions.k8s.io/v1',
    kind: 'CustomResourceDefinition',
    metadata: { name: `${plural}.${standInGroup}` },
    spec: {
      group: standInGroup,
      scope: 'Namespaced',
      names: { kind, singular, plural, listKind: `${kind}List` },
      // As the peer's: its controller serves the conversion unless it is told not to.
      conversion: { strategy: 'Webhook', webhook: { conversionReviewVersions: ['v1'] } },
      versions: versions.map(({ name, served = true, storage = true, fields }) => ({
        name,
        served,
        storage,
        subresources: { status: {} },
        schema: { openAPIV3Schema: schemaOf(fields[kind] ?? []) },
      })),
    },
  }
}

function pluralOf(kind: string): string {
  return `${kind.toLowerCase()}${kind === 'Sandbox' ? 'es' : 's'}`
}

function schemaOf(fields: readonly string[]): object {
  const open = { 'x-kubernetes-preserve-unknown-fields': true }
  const spec = { type: 'object', ...open, properties: Object.fromEntries(fields.map((name) => [name, open])) }
  return { type: 'object', properties: { spec, status: { type: 'object', ...open } } }
}
