import { type Static, Type } from 'typebox'
import { Compile } from 'typebox/compile'
import { Metadata } from '../pod/pod.ts'
import type { AdmissionRequest } from './admission-review.ts'

const ConfigMap = Type.Object({
  metadata: Type.Optional(Metadata),
  data: Type.Optional(Type.Union([Type.Null(), Type.Record(Type.String(), Type.String())])),
  binaryData: Type.Optional(Type.Union([Type.Null(), Type.Record(Type.String(), Type.String())])),
  immutable: Type.Optional(Type.Union([Type.Null(), Type.Boolean()])),
})
export type ConfigMap = Static<typeof ConfigMap>
const validator = Compile(ConfigMap)

/** The ConfigMap, if the object can be read as one. */
export function decodeConfigMap(object: unknown): ConfigMap | undefined {
  return validator.Check(object) ? object : undefined
}

/** True if the request is about a ConfigMap of this namespace itself. */
export function isOfConfigMap(
  { resource, namespace, subResource = '' }: AdmissionRequest,
  within: string,
): boolean {
  return (
    resource.group === '' && resource.resource === 'configmaps' && subResource === '' && namespace === within
  )
}

/** `request.name` is empty for a generated name and while a collection is deleted. */
export function configMapNameOf({ name, object, oldObject }: AdmissionRequest): string | undefined {
  return decodeConfigMap(object)?.metadata?.name ?? decodeConfigMap(oldObject)?.metadata?.name ?? name
}

/** The text under a key of `data`. */
export function textOf(object: unknown, key: string): string | undefined {
  const data = decodeConfigMap(object)?.data ?? {}
  return Object.hasOwn(data, key) ? data[key] : undefined
}
