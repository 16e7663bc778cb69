import type { KubeTransport } from '../../src/cluster/kube-transport.ts'

/** What the API server itself counted of its calls to webhooks. */
interface AdmissionCounts {
  /** Calls that were answered with 200 and not refused. */
  readonly admitted: number
  /** Every other call, by its labels: refused, failed, timed out. */
  readonly others: Readonly<Record<string, number>>
  readonly rejections: number
  readonly failOpen: number
}

const prefix = 'apiserver_admission_webhook_'

export async function readAdmissionCounts(transport: KubeTransport): Promise<AdmissionCounts> {
  const { body } = await transport.send({ method: 'GET', path: '/metrics' })
  const counts = { admitted: 0, others: {} as Record<string, number>, rejections: 0, failOpen: 0 }
  for (const line of body.split('\n')) {
    const [, name, labels = '', value] = /^(\w+)(\{[^}]*\})? (\S+)$/.exec(line) ?? []
    const count = Number(value)
    if (name === `${prefix}request_total`) {
      if (labels.includes('code="200"') && labels.includes('rejected="false"')) counts.admitted += count
      else counts.others[labels] = count
    } else if (name === `${prefix}rejection_count`) counts.rejections += count
    else if (name === `${prefix}fail_open_count`) counts.failOpen += count
  }
  return counts
}
