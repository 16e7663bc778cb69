import { PodWriteError, type PodWriteReason } from '../domain/pod-write-error.ts'
import { KubeApiError } from './kube-api-error.ts'

/** A gateway's timeout: the server behind it may still do what it was asked. */
const gatewayTimeout = 504

/** Why a pod was not written. Only the API server's sentence tells the causes of a 403 or a 500 from each other. */
export function classifyWriteError(error: unknown): PodWriteError {
  if (!(error instanceof KubeApiError)) throw error
  const { status, message, retryAfterMs } = error
  const reason = reasonOf(error)
  return new PodWriteError(reason, message, {
    cause: error,
    retryAfterMs,
    answered: !error.sent || (status !== undefined && status !== gatewayTimeout),
    blamesPod: reason === 'invalid' || (reason === 'denied' && blamesPod(message)),
  })
}

/** LimitRanger's sentences: `maximum cpu usage per Container is 500m, but limit is 1`, and the like. */
const limitRanger = /\b(minimum|maximum) \S+ usage per \w+ is |\bmax limit to request ratio per \w+ is /

function reasonOf({ status, message }: KubeApiError): PodWriteReason {
  // A webhook chooses the status of its denial, so the sentence is looked at first.
  if (isDenial(message)) return 'denied'
  if (message.includes('failed calling webhook')) return 'webhook'
  if (message.includes('exceeded quota') || message.includes('failed quota')) return 'quota'
  if (limitRanger.test(message)) return 'limit-range'
  if (status === undefined || status >= 500 || status === 429) return 'api'
  // The namespace, or its default ServiceAccount, is not there yet.
  if (status === 404 || message.includes('error looking up service account')) return 'api'
  // Two creates were counted against the quota at the same time.
  if (status === 409) return message.includes('resourcequotas') ? 'quota' : 'api'
  if (status === 401) return 'forbidden'
  if (status !== 403) return 'invalid'
  // Every other 403 comes from an admission plugin: a PriorityClass or RuntimeClass that does not exist, for example.
  const isForbidden = message.includes(' cannot ') || message.includes('being terminated')
  return isForbidden ? 'forbidden' : 'denied'
}

function isDenial(message: string): boolean {
  return message.includes('denied the request') || message.includes('violates PodSecurity')
}

/**
 * Whether a denial is about the pod itself. A plugin misses something in the cluster; of our own webhook's codes only
 * GRN_POLICY_VIOLATION is about the pod, the others are about the policy (no row yet, other ServiceAccounts).
 */
function blamesPod(message: string): boolean {
  const codes = message.match(/GRN_[A-Z_]+/g) ?? []
  return isDenial(message) && codes.every((code) => code === 'GRN_POLICY_VIOLATION')
}
