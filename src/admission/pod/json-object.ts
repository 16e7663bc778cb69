export type JsonObject = Readonly<Record<string, unknown>>

/** True for an object of JSON that is no list. */
export function isJsonObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
