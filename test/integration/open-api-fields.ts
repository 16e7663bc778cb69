/** The fields of a pod by the API server's own description of its types. */

interface Schema {
  readonly $ref?: string
  readonly allOf?: readonly Schema[]
  readonly items?: Schema
  readonly properties?: Readonly<Record<string, Schema>>
}

/** Paths of all fields that hold a value, in the notation of field-path.ts; `openApi` is the answer of /openapi/v3/api/v1. */
export function fieldsOfPods(openApi: string): string[] {
  const { schemas } = (JSON.parse(openApi) as { components: { schemas: Record<string, Schema> } }).components
  return fieldsOf({ $ref: '#/components/schemas/io.k8s.api.core.v1.PodSpec' }, 'spec', [])

  function fieldsOf(given: Schema, at: string, above: readonly string[]): string[] {
    const reference = given.$ref ?? given.allOf?.[0]?.$ref
    const name = reference?.split('/').at(-1)
    // A type that holds itself would never end: its first mention stands for all.
    if (name !== undefined && above.includes(name)) return [at]
    const schema = (name === undefined ? undefined : schemas[name]) ?? given
    const within = name === undefined ? above : [...above, name]
    if (schema.items) return fieldsOf(schema.items, `${at}[*]`, within)
    if (!schema.properties) return [at]
    return Object.entries(schema.properties).flatMap(([field, inner]) =>
      fieldsOf(inner, `${at}.${field}`, within),
    )
  }
}
