import { webhookNamespace } from '../../domain/names.ts'
import { missingRights, type Right, rightsIn, rightsInWords } from './access-review.ts'
import { type DoctorCheck, failed, manifestNamespace, ok } from './doctor-check.ts'

interface Kind {
  readonly group: string
  readonly resource: string
}

const core = (resource: string): Kind => ({ group: '', resource })
const rbac = (resource: string): Kind => ({ group: 'rbac.authorization.k8s.io', resource })
const admission = (resource: string): Kind => ({ group: 'admissionregistration.k8s.io', resource })
const networkPolicies: Kind = { group: 'networking.k8s.io', resource: 'networkpolicies' }
const disruptionBudgets: Kind = { group: 'policy', resource: 'poddisruptionbudgets' }
const deployments: Kind = { group: 'apps', resource: 'deployments' }

/** What manifests/base creates, in which namespace; undefined: in none. A test compares it with the built base. */
export const installed: readonly {
  readonly namespace: string | undefined
  readonly kinds: readonly Kind[]
}[] = [
  {
    namespace: undefined,
    kinds: [
      core('namespaces'),
      { group: 'scheduling.k8s.io', resource: 'priorityclasses' },
      rbac('clusterroles'),
      rbac('clusterrolebindings'),
      admission('mutatingwebhookconfigurations'),
      admission('validatingwebhookconfigurations'),
    ],
  },
  {
    namespace: manifestNamespace,
    kinds: [
      ...['configmaps', 'serviceaccounts', 'services', 'resourcequotas', 'limitranges'].map(core),
      deployments,
      { group: 'batch', resource: 'jobs' },
      { group: 'autoscaling', resource: 'horizontalpodautoscalers' },
      disruptionBudgets,
      networkPolicies,
      ...['roles', 'rolebindings'].map(rbac),
    ],
  },
  {
    namespace: webhookNamespace,
    kinds: [
      ...['serviceaccounts', 'services'].map(core),
      deployments,
      disruptionBudgets,
      networkPolicies,
      ...['roles', 'rolebindings'].map(rbac),
    ],
  },
]

/** `kubectl apply --server-side` patches what it creates. The Secrets are made by hand (docs/operate/install.md). */
const rights: readonly Right[] = [
  ...installed.flatMap(({ namespace, kinds }) =>
    kinds.flatMap((kind) =>
      ['create', 'patch'].map((verb) => ({ ...kind, verb, ...(namespace !== undefined && { namespace }) })),
    ),
  ),
  { ...core('secrets'), verb: 'create', namespace: manifestNamespace },
]

export const rightsToInstall: DoctorCheck<'kubernetes'> = {
  name: 'rights-to-install',
  title: 'You may create what the manifests hold',
  when: 'before',
  part: 'kubernetes',
  why: 'Half an installation is harder to mend than none.',
  fix: 'kubectl create clusterrolebinding greenroom-installer --clusterrole=cluster-admin --user="$(kubectl auth whoami -o jsonpath={.status.userInfo.username})"',
  async run(clients, { config }) {
    const missing = await missingRights(clients, rightsIn(config.GREENROOM_NAMESPACE, rights))
    return missing.length > 0
      ? failed(`You may not ${rightsInWords(missing)}.`)
      : ok(`You have the ${rights.length} rights that the manifests need.`)
  },
}
