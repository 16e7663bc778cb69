import type { KubeTransport } from './kube-transport.ts'

/** What the API server publishes about the tokens of its ServiceAccounts; each ServiceAccount may read it. */
export async function readClusterKeys(
  transport: Pick<KubeTransport, 'send'>,
  signal: AbortSignal,
): Promise<{ readonly issuer: string; readonly keys: unknown }> {
  const read = async (path: string, accept: string): Promise<unknown> =>
    JSON.parse((await transport.send({ method: 'GET', path, headers: { accept }, signal })).body)
  const document = await read('/.well-known/openid-configuration', 'application/json')
  const { issuer } = document as { issuer?: unknown }
  if (typeof issuer !== 'string') throw new Error('the API server names no issuer of tokens')
  // The API server answers 406 to application/json here.
  return { issuer, keys: await read('/openid/v1/jwks', 'application/jwk-set+json') }
}

/** Whether the API server still takes a token: its ServiceAccount and the pod that it is bound to exist. */
export async function reviewToken(
  transport: Pick<KubeTransport, 'send'>,
  token: string,
  audience: string,
  signal: AbortSignal,
): Promise<boolean> {
  const review = {
    apiVersion: 'authentication.k8s.io/v1',
    kind: 'TokenReview',
    spec: { token, audiences: [audience] },
  }
  const { body } = await transport.send({
    method: 'POST',
    path: '/apis/authentication.k8s.io/v1/tokenreviews',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(review),
    signal,
  })
  const { status } = JSON.parse(body) as { status?: { authenticated?: boolean } }
  return status?.authenticated === true
}
