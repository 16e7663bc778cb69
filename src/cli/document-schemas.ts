import { mkdirSync, writeFileSync } from 'node:fs'
import { PolicyDocument } from '../admission/policy/policy-document.ts'
import { PoolsDocument } from '../domain/pool.ts'

/** Writes manifests/schema: the JSON Schemas of policy.yaml and pools.yaml, for editors and for checks in a pipeline. */

const folder = new URL('../../manifests/schema/', import.meta.url)

const dialect = 'http://json-schema.org/draft-07/schema#'

/** File name → text. */
export function documentSchemas(): Readonly<Record<string, string>> {
  return {
    'agent-policy.schema.json': textOf('ConfigMap agent-policy, key policy.yaml', PolicyDocument),
    'agent-pools.schema.json': textOf('ConfigMap agent-pools, key pools.yaml', PoolsDocument),
  }
}

function textOf(title: string, schema: object): string {
  return `${JSON.stringify({ $schema: dialect, title, ...schema }, acceptingDefaults, 2)}\n`
}

/** A key with a default may be left out of a document, so a checker that fills in no defaults must not require it. */
function acceptingDefaults(_key: string, value: unknown): unknown {
  if (!isObjectSchema(value)) return value
  const required = value.required.filter((name) => value.properties[name]?.default === undefined)
  const { required: _all, ...rest } = value
  return required.length > 0 ? { ...rest, required } : rest
}

interface ObjectSchema {
  readonly required: readonly string[]
  readonly properties: Readonly<Record<string, { readonly default?: unknown }>>
}

function isObjectSchema(value: unknown): value is ObjectSchema {
  if (typeof value !== 'object' || value === null) return false
  return 'required' in value && Array.isArray(value.required) && 'properties' in value
}

if (import.meta.main) {
  mkdirSync(folder, { recursive: true })
  for (const [name, text] of Object.entries(documentSchemas())) writeFileSync(new URL(name, folder), text)
}
