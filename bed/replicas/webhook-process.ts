import { join } from 'node:path'
import { webhookUsername } from '../../src/domain/names.ts'
import type { ControlPlane } from '../servers/control-plane.ts'
import { type RoleProcess, startRole } from './role-process.ts'

interface WebhookProcessOptions {
  readonly plane: ControlPlane
  readonly name: string
  /** Of its log. */
  readonly folder: string
  readonly port: number
  /** Of metrics and /explain; a free one if nobody asks there. */
  readonly opsPort?: number
  /** Where its certificate comes from (`servingFiles`, or that it keeps its own), and whatever else differs. */
  readonly env: Readonly<Record<string, string>>
  readonly nodeArgs?: readonly string[]
  readonly onStart?: (pid: number) => void
}

/** One process of the webhook, with the identity and the rights of the manifests. */
export async function startWebhookProcess(options: WebhookProcessOptions): Promise<RoleProcess> {
  const { plane, name, folder, port, opsPort = 0, env, ...rest } = options
  return startRole({
    ...rest,
    name,
    role: 'webhook',
    logPath: join(folder, `${name}.log`),
    env: {
      KUBECONFIG: await plane.kubeconfigFor(webhookUsername),
      GREENROOM_HOST: plane.webhook.host,
      GREENROOM_WEBHOOK_PORT: String(port),
      GREENROOM_WEBHOOK_OPS_PORT: String(opsPort),
      // No Service that would have to hear of its end first; a test of a roll-out says otherwise.
      GREENROOM_DRAIN_MS: '0',
      ...env,
    },
  })
}

/** Environment for the certificate that the API server of this bed trusts. */
export function servingFiles({ webhook }: ControlPlane): Record<string, string> {
  return {
    GREENROOM_WEBHOOK_CERT_FILE: webhook.certPath,
    GREENROOM_WEBHOOK_KEY_FILE: webhook.keyPath,
  }
}
