import type { KubeClients } from '../../cluster/kube-clients.ts'
import { manifestNamespace } from './doctor-check.ts'

/** One right, as RBAC asks for it. */
export interface Right {
  readonly verb: string
  readonly group: string
  /** With its subresource: `pods/resize`. */
  readonly resource: string
  readonly namespace?: string
  /** Of one object. */
  readonly name?: string
}

/** Whose right: nobody named means our own. */
interface Subject {
  readonly user: string
  readonly groups: readonly string[]
}

/** A list of rights is long, and the API server answers each in a millisecond. */
const atOnce = 10

/** Those of the rights that are not given. Throws what the API server answers when it may not be asked. */
export async function missingRights(
  clients: Pick<KubeClients, 'transport'>,
  rights: readonly Right[],
  subject?: Subject,
): Promise<readonly Right[]> {
  const missing: Right[] = []
  const left = rights.values()
  const ask = async () => {
    for (const right of left) if (!(await isAllowed(clients, right, subject))) missing.push(right)
  }
  await Promise.all(Array.from({ length: atOnce }, ask))
  return rights.filter((right) => missing.includes(right))
}

async function isAllowed(
  { transport }: Pick<KubeClients, 'transport'>,
  { verb, group, resource: path, namespace, name }: Right,
  subject?: Subject,
): Promise<boolean> {
  const [resource, subresource] = path.split('/')
  const kind = subject ? 'SubjectAccessReview' : 'SelfSubjectAccessReview'
  const review = {
    apiVersion: 'authorization.k8s.io/v1',
    kind,
    spec: { ...subject, resourceAttributes: { verb, group, resource, subresource, namespace, name } },
  }
  const { body } = await transport.send({
    method: 'POST',
    path: `/apis/authorization.k8s.io/v1/${kind.toLowerCase()}s`,
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(review),
  })
  return (JSON.parse(body) as { status: { allowed: boolean } }).status.allowed
}

/** The rights of the manifests, for an installation in this namespace. */
export function rightsIn(namespace: string, rights: readonly Right[]): readonly Right[] {
  return rights.map((right) => (right.namespace === manifestNamespace ? { ...right, namespace } : right))
}

/** `create pods in ai-agents, patch configmaps/agent-policy-accepted in ai-agents`, and how many more. */
export function rightsInWords(rights: readonly Right[]): string {
  const most = 4
  const words = rights
    .slice(0, most)
    .map(
      ({ verb, resource, namespace, name }) =>
        `${verb} ${resource}${name === undefined ? '' : `/${name}`}${namespace === undefined ? '' : ` in ${namespace}`}`,
    )
  return [...words, ...(rights.length > most ? [`${rights.length - most} more`] : [])].join(', ')
}
