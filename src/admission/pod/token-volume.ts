import type { Volume } from './pod.ts'

/** The ServiceAccount admission plugin adds a token volume to each pod, and its name begins like this. */
export const tokenVolumePrefix = 'kube-api-access-'

/** Where that plugin mounts it. */
export const tokenPath = '/var/run/secrets/kubernetes.io/serviceaccount'

/** True for the volume that the plugin added. A volume of such a name with other contents is the author's. */
export function isInjectedToken(volume: Volume): boolean {
  return volume.name.startsWith(tokenVolumePrefix) && holdsToken(volume)
}

/** True if a ServiceAccount token is projected into this volume. */
export function holdsToken({ projected }: Volume): boolean {
  return (projected?.sources ?? []).some((source) => source.serviceAccountToken !== undefined)
}
