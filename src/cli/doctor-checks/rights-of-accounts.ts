import { hasStatus, unlessMissing } from '../../cluster/kube-api-error.ts'
import type { KubeClients } from '../../cluster/kube-clients.ts'
import { webhookNamespace } from '../../domain/names.ts'
import { missingRights, type Right, rightsIn, rightsInWords } from './access-review.ts'
import {
  absent,
  type DoctorCheck,
  type Finding,
  failed,
  manifestNamespace,
  ok,
  skipped,
  warning,
  worst,
} from './doctor-check.ts'

interface Account {
  readonly namespace: string
  readonly name: string
  readonly rights: readonly Right[]
  /** Needed only where pools are changed over the API; GREENROOM_EDIT_POOLS=false does without. */
  readonly steering?: readonly Right[]
}

interface Rule {
  readonly group?: string
  readonly resources: readonly string[]
  readonly verbs: readonly string[]
  readonly names?: readonly string[]
  readonly namespace?: string
}

function rightsOf({ group = '', resources, verbs, names, namespace }: Rule): Right[] {
  const objects = names ?? [undefined]
  return resources.flatMap((resource) =>
    verbs.flatMap((verb) =>
      objects.map((name) => ({
        verb,
        group,
        resource,
        ...(namespace !== undefined && { namespace }),
        ...(name !== undefined && { name }),
      })),
    ),
  )
}

const documents = [
  'agent-pools',
  'agent-pools-accepted',
  'agent-policy',
  'agent-policy-accepted',
  'greenroom-assign-keys',
]
const read = ['get', 'list', 'watch']
const write = ['create', 'patch', 'update']

/** What each ServiceAccount needs. A test compares it with the Roles of manifests/base. */
export const accounts: readonly Account[] = [
  {
    namespace: manifestNamespace,
    name: 'session-management-sa',
    rights: [
      { resources: ['pods'], verbs: [...read, 'create', 'patch', 'delete'] },
      { resources: ['pods/resize'], verbs: ['patch'] },
      { resources: ['configmaps'], names: documents, verbs: read },
      { resources: ['configmaps'], names: ['agent-pools-accepted'], verbs: write },
      { resources: ['configmaps'], names: ['greenroom-assign-keys'], verbs: ['update'] },
      { resources: ['resourcequotas', 'limitranges'], verbs: ['list', 'watch'] },
      {
        group: 'coordination.k8s.io',
        resources: ['leases'],
        names: ['greenroom-controller'],
        verbs: ['get', 'update'],
      },
      { group: 'coordination.k8s.io', resources: ['leases'], verbs: ['create'] },
      { group: 'events.k8s.io', resources: ['events'], verbs: ['create', 'patch'] },
    ].flatMap((rule) => rightsOf({ ...rule, namespace: manifestNamespace })),
    steering: [
      { resources: ['configmaps'], names: ['agent-pools'], verbs: ['update'] },
      { group: 'authorization.k8s.io', resources: ['localsubjectaccessreviews'], verbs: ['create'] },
    ].flatMap((rule) => rightsOf({ ...rule, namespace: manifestNamespace })),
  },
  {
    namespace: webhookNamespace,
    name: 'agent-webhook',
    rights: [
      { resources: ['configmaps'], names: documents, verbs: read, namespace: manifestNamespace },
      {
        resources: ['configmaps'],
        names: ['agent-policy-accepted'],
        verbs: write,
        namespace: manifestNamespace,
      },
      {
        resources: ['resourcequotas', 'limitranges'],
        verbs: ['list', 'watch'],
        namespace: manifestNamespace,
      },
      {
        resources: ['secrets'],
        names: ['agent-webhook-certificates'],
        verbs: ['get', 'create', 'patch'],
        namespace: webhookNamespace,
      },
      {
        group: 'coordination.k8s.io',
        resources: ['leases'],
        names: ['agent-webhook'],
        verbs: ['get', 'update'],
        namespace: webhookNamespace,
      },
      { group: 'coordination.k8s.io', resources: ['leases'], verbs: ['create'], namespace: webhookNamespace },
      {
        group: 'admissionregistration.k8s.io',
        resources: ['mutatingwebhookconfigurations', 'validatingwebhookconfigurations'],
        names: ['agent-webhook'],
        verbs: [...read, 'patch'],
      },
    ].flatMap(rightsOf),
  },
]

export const rightsOfAccounts: DoctorCheck<'kubernetes'> = {
  name: 'rights-of-accounts',
  title: "Greenroom's ServiceAccounts may do what they need",
  when: 'after',
  part: 'kubernetes',
  why: 'A controller without a right makes no pods; a webhook without one keeps no policy.',
  fix: 'kubectl apply --server-side -f manifests/base/session-server/rbac.yaml -f manifests/base/webhook/rbac.yaml',
  async run(clients, { config }) {
    const findings: Finding[] = []
    for (const account of accounts) findings.push(await lookAt(account, clients, config.GREENROOM_NAMESPACE))
    const asked = accounts.reduce((sum, { rights }) => sum + rights.length, 0)
    // An account that is not there explains the rest.
    const missing = findings.find(({ state }) => state === 'absent')
    return missing ?? worst(findings, `Both accounts have their ${asked} rights.`)
  },
}

async function lookAt(account: Account, clients: KubeClients, agentsIn: string): Promise<Finding> {
  const { name, rights, steering = [] } = account
  const namespace = account.namespace === manifestNamespace ? agentsIn : account.namespace
  const subject = {
    user: `system:serviceaccount:${namespace}:${name}`,
    groups: ['system:serviceaccounts', `system:serviceaccounts:${namespace}`, 'system:authenticated'],
  }
  const lacks = (wanted: readonly Right[]) => missingRights(clients, rightsIn(agentsIn, wanted), subject)
  try {
    const missing = await lacks(rights)
    if (missing.length === rights.length && !(await accountExists(clients, namespace, name)))
      return absent(`There is no ServiceAccount ${namespace}/${name}.`)
    if (missing.length > 0) return failed(`${name} may not ${rightsInWords(missing)}.`)
    const unsteered = await lacks(steering)
    if (unsteered.length === 0) return ok(name)
    return warning(`${name} may not ${rightsInWords(unsteered)}: pools cannot be changed over the API.`)
  } catch (error) {
    if (!hasStatus(error, 403)) throw error
    return skipped('You may not ask about rights of others (create subjectaccessreviews).')
  }
}

async function accountExists({ core }: KubeClients, namespace: string, name: string): Promise<boolean> {
  return (await unlessMissing(core.readNamespacedServiceAccount({ namespace, name }))) !== undefined
}
