import type { TLSSocket } from 'node:tls'
import type { FastifyRequest } from 'fastify'
import { GreenroomError } from '../errors.ts'

/**
 * Throws GRN_CALLER_UNKNOWN unless the connection showed a client certificate that the configured authority signed for
 * one of these names (common name or DNS name). The handshake itself accepts a connection without a certificate, because
 * the kubelet's probes and Prometheus have none.
 */
export function checkReviewCaller(request: FastifyRequest, names: readonly string[]): void {
  const socket = request.raw.socket as TLSSocket
  const certificate = socket.getPeerX509Certificate()
  if (!socket.authorized || certificate === undefined) throw new GreenroomError('GRN_CALLER_UNKNOWN')
  const { subject, subjectAltName = '' } = certificate
  const shown = [
    ...subject.split('\n').flatMap((part) => /^CN=(.+)$/.exec(part)?.[1] ?? []),
    ...subjectAltName.split(', ').flatMap((part) => /^DNS:(.+)$/.exec(part)?.[1] ?? []),
  ]
  if (!shown.some((name) => names.includes(name))) throw new GreenroomError('GRN_CALLER_UNKNOWN')
}
