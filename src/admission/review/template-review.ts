import { type Static, Type } from 'typebox'
import { Compile } from 'typebox/compile'
import { annotation, label } from '../../domain/names.ts'
import { withClaimTemplates } from '../pod/claim-template-volumes.ts'
import { sameValue } from '../pod/same-value.ts'
import { describeViolation } from '../pod/violation.ts'
import type { PolicyInForce } from '../policy/policy-in-force.ts'
import type { AdmissionRequest, Answer } from './admission-review.ts'
import { mutateReview } from './pod-review.ts'

/** Where a workload keeps its pod template, and which controller makes pods of it. */
interface Workload {
  readonly template: readonly string[]
  readonly controller: string | undefined
}

const specTemplate = ['spec', 'template'] as const

/** By API group and resource. A Deployment's pods are made by the ReplicaSet controller, a CronJob's by that of Jobs. */
const workloads: Readonly<Record<string, Workload>> = {
  'apps/deployments': { template: specTemplate, controller: 'replicaset-controller' },
  'apps/replicasets': { template: specTemplate, controller: 'replicaset-controller' },
  'apps/statefulsets': { template: specTemplate, controller: 'statefulset-controller' },
  'apps/daemonsets': { template: specTemplate, controller: 'daemon-set-controller' },
  'batch/jobs': { template: specTemplate, controller: 'job-controller' },
  'batch/cronjobs': { template: ['spec', 'jobTemplate', 'spec', 'template'], controller: 'job-controller' },
  '/replicationcontrollers': { template: specTemplate, controller: 'replication-controller' },
  // No controller of Kubernetes makes pods of it.
  '/podtemplates': { template: ['template'], controller: undefined },
}

const Template = Type.Object({
  metadata: Type.Optional(Type.Object({})),
  spec: Type.Object({ serviceAccountName: Type.Optional(Type.String()) }),
})
type Template = Static<typeof Template>
const validator = Compile(Template)

const allowed: Answer = { kind: 'allowed' }

/**
 * POST /warn-templates. Says what would happen to the pods of a workload, as if its controller created one now: the
 * person who applies a Deployment never sees the answer that the ReplicaSet controller gets. Never denies. It
 * says nothing of an update that leaves the template alone.
 */
export function templateReview(request: AdmissionRequest, inForce: PolicyInForce): Answer {
  const { resource, operation, subResource = '' } = request
  const key = `${resource.group}/${resource.resource}`
  const workload = Object.hasOwn(workloads, key) ? workloads[key] : undefined
  if (!workload || subResource !== '' || (operation !== 'CREATE' && operation !== 'UPDATE')) return allowed
  const template = at(request.object, workload.template)
  if (!validator.Check(template)) return allowed
  if (operation === 'UPDATE' && sameValue(template, at(request.oldObject, workload.template))) return allowed
  const answer = mutateReview(podRequest(request, template, workload), inForce)
  const warnings = [...(answer.warnings ?? []), ...warningsOf(answer, workload.template.join('.'))]
  return warnings.length > 0 ? { kind: 'allowed', warnings } : allowed
}

function at(object: unknown, path: readonly string[]): unknown {
  let value = object
  for (const key of path) {
    if (typeof value !== 'object' || value === null || !Object.hasOwn(value, key)) return undefined
    value = (value as Record<string, unknown>)[key]
  }
  return value
}

/** The request by which the controller would create a pod of this template. */
function podRequest(
  request: AdmissionRequest,
  template: Template,
  { controller }: Workload,
): AdmissionRequest {
  return {
    uid: request.uid,
    resource: { group: '', version: 'v1', resource: 'pods' },
    ...(request.namespace !== undefined && { namespace: request.namespace }),
    operation: 'CREATE',
    userInfo: { username: controller === undefined ? '' : `system:serviceaccount:kube-system:${controller}` },
    // The ServiceAccount plugin fills this in for pods, not for templates.
    object: {
      ...template,
      spec: { serviceAccountName: 'default', ...withClaimTemplates(request.object, template.spec) },
    },
  }
}

function warningsOf(answer: Answer, place: string): string[] {
  switch (answer.kind) {
    case 'allowed':
      return []
    case 'denied':
      return answer.violations.map(
        (violation) =>
          `its pods would be denied: ${describeViolation({ ...violation, path: `${place}.${violation.path}` })}`,
      )
    case 'patched': {
      const fields = [
        ...new Set(answer.patch.map(({ path }) => fieldOf(path)).filter((field) => field !== undefined)),
      ].sort()
      if (fields.length === 0) return []
      const more = fields.length > namedFields ? ` and ${fields.length - namedFields} more` : ''
      return [`its pods will be changed at ${fields.slice(0, namedFields).join(', ')}${more}`]
    }
  }
}

/** Most fields that a warning names; POST /explain has all of them. */
const namedFields = 8

/** `/spec/containers/0/securityContext/runAsUser` → `spec.containers[0].securityContext`. Undefined for Greenroom's own notes. */
function fieldOf(pointer: string): string | undefined {
  const segments = pointer
    .split('/')
    .slice(1)
    .map((segment) => segment.replaceAll('~1', '/').replaceAll('~0', '~'))
  if (segments[0] === 'metadata' && segments[1] === 'annotations') {
    const [, , key] = segments
    if (key === undefined || ownNotes.has(key)) return undefined
  }
  if (segments[0] === 'metadata' && segments[2] === label.component) return undefined
  const isListed = /Containers$|^containers$|^volumes$/.test(segments[1] ?? '')
  return segments
    .slice(0, isListed ? 4 : 3)
    .map((segment, index) =>
      isListed && index === 2 ? `[${segment}]` : `${index === 0 ? '' : '.'}${segment}`,
    )
    .join('')
}

const ownNotes: ReadonlySet<string> = new Set(Object.values(annotation))
