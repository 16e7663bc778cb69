import { PodWriteError, type PodWriteReason } from '../domain/pod-write-error.ts'
import { KubeApiError } from './kube-api-error.ts'

/** A gateway's timeout: the server behind it may still do what it was asked. */
const gatewayTimeout = 504

/** Why a pod was not written. Only the API server's sentence tells `denied` and `quota` from `forbidden`. */
export function classifyWriteError(error: unknown): PodWriteError {
  if (!(error instanceof KubeApiError)) throw error
  return new PodWriteError(reasonOf(error), error.message, {
    cause: error,
    retryAfterMs: error.retryAfterMs,
    answered: error.status !== undefined && error.status !== gatewayTimeout,
  })
}

function reasonOf({ status, message }: KubeApiError): PodWriteReason {
  // A webhook chooses the status of its denial, so the sentence is looked at first.
  if (message.includes('denied the request') || message.includes('violates PodSecurity')) return 'denied'
  if (message.includes('exceeded quota') || message.includes('failed quota')) return 'quota'
  if (status === undefined || status >= 500 || status === 429) return 'unavailable'
  // The namespace, or its default ServiceAccount, is not there yet.
  if (status === 404 || message.includes('error looking up service account')) return 'unavailable'
  // Two creates were counted against the quota at the same time.
  if (status === 409) return message.includes('resourcequotas') ? 'quota' : 'unavailable'
  return status === 401 || status === 403 ? 'forbidden' : 'invalid'
}
