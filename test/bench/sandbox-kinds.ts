import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { V1CustomResourceDefinition, V1JSONSchemaProps } from '@kubernetes/client-node'
import { parseAllDocuments } from 'yaml'
import { UsageError } from './usage-error.ts'

/**
 * The custom resources of agent-sandbox as the CRDs in a folder define them. Its versions differ in API version and in
 * fields (a claim names its template or its pool), so what is sent follows the definitions and not a version's name.
 */
export interface SandboxKinds {
  /** Ready to be created, for a controller that serves no conversion webhook. */
  readonly definitions: readonly V1CustomResourceDefinition[]
  readonly sandbox: SandboxKind
  readonly claim: SandboxKind
  readonly template: SandboxKind
  readonly warmPool: SandboxKind
}

interface SandboxKind {
  readonly kind: string
  /** `GROUP/VERSION`; the version is the stored one, which needs no conversion. */
  readonly apiVersion: string
  readonly plural: string
  /** Names of the fields of its spec. */
  readonly fields: ReadonlySet<string>
}

/** @throws UsageError if the folder is missing or lacks one of the kinds. */
export async function readSandboxKinds(folder: string): Promise<SandboxKinds> {
  const definitions = await readDefinitions(folder)
  const find = (kind: string): SandboxKind => {
    const found = definitions.find(({ spec }) => spec.names.kind === kind)
    const version = found?.spec.versions.find(({ served, storage }) => served && storage)
    if (!found || !version)
      throw new UsageError(
        `${folder} has no CRD of kind ${kind} with a served version that is also stored (it has ${kindsOf(definitions)})`,
      )
    return {
      kind,
      apiVersion: `${found.spec.group}/${version.name}`,
      plural: found.spec.names.plural,
      fields: fieldsOf(version.schema?.openAPIV3Schema),
    }
  }
  return {
    definitions,
    sandbox: find('Sandbox'),
    claim: find('SandboxClaim'),
    template: find('SandboxTemplate'),
    warmPool: find('SandboxWarmPool'),
  }
}

async function readDefinitions(folder: string): Promise<readonly V1CustomResourceDefinition[]> {
  const names = await readdir(folder).catch((error: NodeJS.ErrnoException) => {
    throw new UsageError(`the folder of CRDs cannot be read: ${error.message}`)
  })
  const texts = await Promise.all(
    names.filter((name) => /\.ya?ml$/.test(name)).map((name) => readFile(join(folder, name), 'utf8')),
  )
  return texts
    .flatMap((text) => parseAllDocuments(text).map((document): V1CustomResourceDefinition => document.toJS()))
    .filter((document) => document?.kind === 'CustomResourceDefinition')
    .map(withoutConversion)
}

function withoutConversion(definition: V1CustomResourceDefinition): V1CustomResourceDefinition {
  definition.spec.conversion = { strategy: 'None' }
  return definition
}

function kindsOf(definitions: readonly V1CustomResourceDefinition[]): string {
  return definitions.map(({ spec }) => spec.names.kind).join(', ') || 'none'
}

function fieldsOf(schema: V1JSONSchemaProps | undefined): ReadonlySet<string> {
  return new Set(Object.keys(schema?.properties?.spec?.properties ?? {}))
}

/** Path of one object, or of the collection without a name. */
export function sandboxPath({ apiVersion, plural }: SandboxKind, namespace: string, name?: string): string {
  const collection = `/apis/${apiVersion}/namespaces/${namespace}/${plural}`
  return name === undefined ? collection : `${collection}/${name}`
}

interface PoolNames {
  readonly template: string
  readonly pool: string
}

/** Without a name, which each claim gets for itself. */
export function claimObject({ claim }: SandboxKinds, { template, pool }: PoolNames): object {
  const { apiVersion, kind, fields } = claim
  const spec = fields.has('warmPoolRef')
    ? { warmPoolRef: { name: pool } }
    : { sandboxTemplateRef: { name: template }, ...(fields.has('warmpool') && { warmpool: pool }) }
  return { apiVersion, kind, spec }
}

export function templateObject({ template: its }: SandboxKinds, { template }: PoolNames): object {
  const { apiVersion, kind, fields } = its
  const containers = [{ name: 'agent', image: 'greenroom:0.1.0' }]
  const spec = {
    podTemplate: { spec: { containers } },
    // One write less for the peer: nothing enforces a NetworkPolicy here.
    ...(fields.has('networkPolicyManagement') && { networkPolicyManagement: 'Unmanaged' }),
  }
  return { apiVersion, kind, metadata: { name: template }, spec }
}

export function warmPoolObject(
  { warmPool }: SandboxKinds,
  { template, pool }: PoolNames,
  replicas: number,
): object {
  const { apiVersion, kind } = warmPool
  return {
    apiVersion,
    kind,
    metadata: { name: pool },
    spec: { replicas, sandboxTemplateRef: { name: template } },
  }
}
