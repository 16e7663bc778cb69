import { join } from 'node:path'
import { webhookUsername } from '../../src/domain/names.ts'
import type { ControlPlane } from '../servers/control-plane.ts'
import { type RoleProcess, startRole } from './role-process.ts'

export interface WebhookRoleOptions {
  readonly plane: ControlPlane
  readonly name: string
  /** Of its log. */
  readonly folder: string
  readonly port: number
  /** Where its certificate comes from (`servingFiles`, or that it keeps its own), and whatever else differs. */
  readonly env: Readonly<Record<string, string>>
  readonly nodeArgs?: readonly string[]
  readonly onStart?: (pid: number) => void
}

/** One process of the webhook, with the identity and the rights of the manifests. */
export async function startWebhookRole(options: WebhookRoleOptions): Promise<RoleProcess> {
  const { plane, name, folder, port, env, ...rest } = options
  return startRole({
    ...rest,
    name,
    role: 'webhook',
    logPath: join(folder, `${name}.log`),
    env: {
      KUBECONFIG: await plane.kubeconfigFor(webhookUsername),
      GREENROOM_HOST: plane.webhook.host,
      GREENROOM_WEBHOOK_PORT: String(port),
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
