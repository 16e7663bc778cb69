import type { KubeTransport } from './kube-transport.ts'

interface AccessQuestion {
  readonly user: string
  readonly groups: readonly string[]
  readonly namespace: string
  readonly verb: string
  readonly resource: string
  readonly name: string
}

/**
 * Whether Kubernetes lets somebody do something in a namespace. A LocalSubjectAccessReview, because a Role of that namespace
 * can give the right to ask it.
 */
export async function isAllowed(
  transport: Pick<KubeTransport, 'send'>,
  { user, groups, namespace, verb, resource, name }: AccessQuestion,
  signal: AbortSignal,
): Promise<boolean> {
  const review = {
    apiVersion: 'authorization.k8s.io/v1',
    kind: 'LocalSubjectAccessReview',
    metadata: { namespace },
    spec: { user, groups, resourceAttributes: { namespace, verb, resource, name } },
  }
  const { body } = await transport.send({
    method: 'POST',
    path: `/apis/authorization.k8s.io/v1/namespaces/${encodeURIComponent(namespace)}/localsubjectaccessreviews`,
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(review),
    signal,
  })
  const { status } = JSON.parse(body) as { status?: { allowed?: boolean } }
  return status?.allowed === true
}
