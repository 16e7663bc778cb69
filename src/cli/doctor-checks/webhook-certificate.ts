import { X509Certificate } from 'node:crypto'
import { connect } from 'node:tls'
import type { V1MutatingWebhook } from '@kubernetes/client-node'
import { authoritiesIn, isSignedBy } from '../../certificates/certificate-facts.ts'
import { apiPath } from '../../cluster/api-path.ts'
import { unlessMissing } from '../../cluster/kube-api-error.ts'
import type { KubeClients } from '../../cluster/kube-clients.ts'
import { webhookCertificatesName, webhookName } from '../../domain/names.ts'
import {
  absent,
  type CheckContext,
  type DoctorCheck,
  type Finding,
  failed,
  ok,
  skipped,
  warning,
} from './doctor-check.ts'

/** A certificate is made anew with a third of its life left, ten days of thirty. */
const nearDays = 5
const dayMs = 86_400_000
const answerMs = 3_000

type ClientConfig = V1MutatingWebhook['clientConfig']

export const webhookCertificate: DoctorCheck<'kubernetes'> = {
  name: 'webhook-certificate',
  title: "The webhook's certificate is valid and is the one that the API server trusts",
  when: 'after',
  part: 'kubernetes',
  why: 'With a certificate that the API server does not trust, no pod can be created (ADR 3).',
  fix: 'kubectl -n greenroom-system rollout restart deployment/agent-webhook',
  async run(clients, context) {
    const configurations = await Promise.all(
      (['mutatingwebhookconfigurations', 'validatingwebhookconfigurations'] as const).map((resource) =>
        unlessMissing(
          clients.transport.getJson<{ webhooks?: V1MutatingWebhook[] }>(
            apiPath({ resource, name: webhookName }),
          ),
        ),
      ),
    )
    const entries = configurations.flatMap((found) => found?.webhooks ?? [])
    const first = entries[0]
    if (!first) return absent(`There are no webhook configurations ${webhookName}.`)
    const bundles = new Set(entries.map(({ clientConfig }) => clientConfig.caBundle ?? ''))
    if (bundles.has(''))
      return failed('A webhook configuration has no caBundle: the API server trusts nobody.')
    if (bundles.size > 1) return failed('The webhook configurations trust different authorities.')
    const served = await servedCertificate(clients, first.clientConfig)
    if (served === undefined)
      return skipped(
        'The webhook was not reached from here, and its certificate is in no Secret that may be read.',
      )
    return judgeCertificate(served, Buffer.from([...bundles][0] ?? '', 'base64').toString(), context)
  },
}

export function judgeCertificate(
  certificate: X509Certificate,
  bundle: string,
  { epochMs }: Pick<CheckContext, 'epochMs'>,
): Finding {
  const days = (certificate.validToDate.getTime() - epochMs()) / dayMs
  const until = certificate.validToDate.toISOString()
  if (days <= 0) return failed(`The certificate expired at ${until}.`)
  if (certificate.validFromDate.getTime() > epochMs()) return failed('The certificate is not valid yet.')
  if (!authoritiesIn(bundle).some((authority) => isSignedBy(certificate, authority)))
    return failed('The certificate is not signed by an authority of caBundle.')
  const detail = `The certificate is valid for ${Math.floor(days)} days, until ${until}.`
  return days < nearDays ? warning(detail) : ok(detail)
}

/** As the webhook shows it, where it can be reached from here; otherwise as its Secret has it. */
async function servedCertificate(
  { core }: KubeClients,
  { url, service }: ClientConfig,
): Promise<X509Certificate | undefined> {
  const address = url ?? `https://${service?.name}.${service?.namespace}.svc:${service?.port ?? 443}`
  const shown = await shownAt(new URL(address)).catch(() => undefined)
  if (shown || !service) return shown
  const where = { namespace: service.namespace, name: webhookCertificatesName }
  // Who may not read the Secret learns no more than that.
  const secret = await core.readNamespacedSecret(where).catch(() => undefined)
  const pem = secret?.data?.['tls.crt']
  return pem === undefined ? undefined : new X509Certificate(Buffer.from(pem, 'base64'))
}

function shownAt({ hostname, port }: URL): Promise<X509Certificate | undefined> {
  const { promise, resolve, reject } = Promise.withResolvers<X509Certificate | undefined>()
  // Whom to trust is what is judged here, so nothing is sent over this connection.
  const socket = connect({ host: hostname, port: Number(port || 443), rejectUnauthorized: false })
  socket.setTimeout(answerMs, () => socket.destroy(new Error('no answer')))
  socket.once('error', reject)
  socket.once('secureConnect', () => {
    resolve(socket.getPeerX509Certificate())
    socket.end()
  })
  return promise
}
