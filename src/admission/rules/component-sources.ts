import { isJsonObject } from '../pod/json-object.ts'
import type { Container, EnvVar, Pod, Volume } from '../pod/pod.ts'
import { samePath } from '../pod/same-path.ts'
import { sameValue } from '../pod/same-value.ts'
import { tokenPath, tokenVolumePrefix } from '../pod/token-volume.ts'
import type { Component, ComponentMount } from '../policy/policy-component.ts'
import { extraFields } from './extra-fields.ts'
import { type Finding, finding } from './greenroom-rule.ts'

/**
 * Where the variables and files of a component come from. Each reference is compared as a whole: a Secret's name without
 * its key would let its author put one secret in the place of another.
 */

export function environmentFindings({ env = [] }: Container, component: Component, at: string): Finding[] {
  const given = new Set(env.map(({ name }) => name))
  const missing = component.env
    .filter((wanted) => isRequired(wanted) && !given.has(nameOf(wanted)))
    .map((wanted) => finding(`${at}.env[${nameOf(wanted)}]`, undefined, sourceOf(wanted)))
  const wrong = env.flatMap((variable, index) => {
    const path = `${at}.env[${index}]`
    const wanted = component.env.find((entry) => nameOf(entry) === variable.name)
    if (!wanted) {
      return [finding(`${path}.name`, variable.name, component.env.map(nameOf).join(', ') || 'none')]
    }
    return isFrom(variable, wanted) ? [] : [finding(path, `another ${variable.name}`, sourceOf(wanted))]
  })
  return [...wrong, ...missing]
}

type WantedEnv = Component['env'][number]

function nameOf(entry: WantedEnv): string {
  return typeof entry === 'string' ? entry : entry.name
}

/** Without a setting that the row decides the program would take its own default. */
function isRequired(wanted: WantedEnv): boolean {
  if (typeof wanted === 'string' || wanted.optional === true) return false
  return wanted.secret !== undefined || wanted.value !== undefined
}

function isFrom(variable: EnvVar, wanted: WantedEnv): boolean {
  const { value, valueFrom } = variable
  if (typeof wanted !== 'string' && wanted.secret !== undefined) {
    const { name, key } = valueFrom?.secretKeyRef ?? {}
    const isSame = name === wanted.secret && key === (wanted.key ?? wanted.name)
    return isSame && isOnly(valueFrom, secretSource) && (value ?? '') === ''
  }
  if (typeof wanted !== 'string' && wanted.value !== undefined) return value === wanted.value && !valueFrom
  if (valueFrom) return isOnly(valueFrom, podSources) && (value ?? '') === ''
  // Kubernetes puts the value of another variable in the place of $(NAME): a Secret would end up where it is logged.
  return !(value ?? '').includes('$(')
}

const secretSource: ReadonlySet<string> = new Set(['secretKeyRef'])
const podSources: ReadonlySet<string> = new Set(['fieldRef', 'resourceFieldRef'])

/** True if nothing is set but fields of these names. */
function isOnly(value: unknown, known: ReadonlySet<string>): boolean {
  return isJsonObject(value) && extraFields(value, known).length === 0
}

function sourceOf(wanted: WantedEnv): string {
  if (typeof wanted !== 'string' && wanted.secret !== undefined) {
    return `key ${wanted.key ?? wanted.name} of Secret ${wanted.secret}`
  }
  if (typeof wanted !== 'string' && wanted.value !== undefined) return "the row's value"
  return 'a plain value without $(…), or a field of the pod'
}

export function mountFindings({ volumeMounts = [] }: Container, pod: Pod, component: Component): Finding[] {
  return volumeMounts.flatMap((mount, index) => {
    const path = `spec.containers[0].volumeMounts[${index}]`
    const volume = pod.spec.volumes?.find(({ name }) => name === mount.name)
    const wanted = component.mounts.find((candidate) => samePath(candidate.path, mount.mountPath))
    const isWhole = (mount.subPath ?? '') === '' && (mount.subPathExpr ?? '') === ''
    const isToken = samePath(mount.mountPath, tokenPath) && volume !== undefined && isPlainToken(volume)
    const isWanted = wanted !== undefined && volume !== undefined && isOfSource(volume, wanted)
    if (isWhole && (isToken || isWanted)) return []
    const allowed = component.mounts.map(describeMount).join('; ') || 'no mount'
    return [finding(path, mount.mountPath, allowed)]
  })
}

/** A volume is judged where it is mounted. The kubelet prepares one that is not all the same, with its driver and its Secrets. */
export function volumeFindings({ volumeMounts = [] }: Container, { spec }: Pod): Finding[] {
  const mounted = new Set(volumeMounts.map(({ name }) => name))
  return (spec.volumes ?? []).flatMap((volume, index) =>
    mounted.has(volume.name) || isPlainToken(volume)
      ? []
      : [finding(`spec.volumes[${index}]`, volume.name, 'only volumes that the container mounts')],
  )
}

/** `items` would give a key the name of another, and `optional` start the program without its files. */
const secretFields: ReadonlySet<string> = new Set(['secretName', 'defaultMode'])
const configMapFields: ReadonlySet<string> = new Set(['name', 'defaultMode'])

const claimFields: ReadonlySet<string> = new Set(['claimName'])

function isOfSource(volume: Volume, { secret, configMap, claim }: ComponentMount): boolean {
  const isOf = (kind: string) => isOnly(volume, new Set(['name', kind]))
  if (secret !== undefined)
    return isOf('secret') && volume.secret?.secretName === secret && isOnly(volume.secret, secretFields)
  if (configMap !== undefined)
    return (
      isOf('configMap') && volume.configMap?.name === configMap && isOnly(volume.configMap, configMapFields)
    )
  if (claim !== undefined) {
    const { persistentVolumeClaim: own } = volume
    return isOf('persistentVolumeClaim') && own?.claimName === claim && isOnly(own, claimFields)
  }
  return isOf('emptyDir') && volume.emptyDir !== undefined
}

function describeMount({ path, secret, configMap, claim }: ComponentMount): string {
  if (secret !== undefined) return `${path} from the whole Secret ${secret}`
  if (configMap !== undefined) return `${path} from the whole ConfigMap ${configMap}`
  return claim === undefined ? `${path} from an emptyDir` : `${path} from the claim ${claim}`
}

/**
 * The sources of the token volume as the ServiceAccount plugin writes them. With other items the pod would trust another
 * API server or take another token.
 */
export const tokenSources = {
  configMap: { name: 'kube-root-ca.crt', items: [{ key: 'ca.crt', path: 'ca.crt' }] },
  downwardAPI: {
    items: [{ path: 'namespace', fieldRef: { apiVersion: 'v1', fieldPath: 'metadata.namespace' } }],
  },
} as const

/** What the plugin asks for; the kubelet renews the token before. */
const longestTokenSeconds = 3607

function isPlainToken(volume: Volume): boolean {
  const { name, projected } = volume
  const sources: readonly object[] = projected?.sources ?? []
  const kinds = sources.flatMap((source) => Object.keys(source))
  return (
    name.startsWith(tokenVolumePrefix) &&
    isOnly(volume, new Set(['name', 'projected'])) &&
    kinds.includes('serviceAccountToken') &&
    new Set(kinds).size === kinds.length &&
    sources.every(isTokenSource)
  )
}

function isTokenSource(source: object): boolean {
  return Object.entries(source).every(([kind, content]) => {
    if (kind === 'configMap' || kind === 'downwardAPI') return sameValue(content, tokenSources[kind])
    if (kind !== 'serviceAccountToken' || !isJsonObject(content)) return false
    const { path, audience, expirationSeconds, ...others } = content
    return (
      path === 'token' &&
      (audience ?? '') === '' &&
      Number(expirationSeconds ?? longestTokenSeconds) <= longestTokenSeconds &&
      Object.keys(others).length === 0
    )
  })
}
