import { namespace } from './admission-guard-bed.ts'

/** One object of each kind that holds a pod template. */

export const podSpec = { containers: [{ name: 'agent', image: 'x:1' }] }

export function workload(apiVersion: string, kind: string, more: object = {}, pod: object = podSpec) {
  const labels = { w: kind.toLowerCase() }
  const template = { metadata: { labels }, spec: pod }
  return {
    apiVersion,
    kind,
    metadata: { name: `w-${kind.toLowerCase()}`, namespace },
    spec: { selector: { matchLabels: labels }, template, ...more },
  }
}

const jobPod = (pod: object) => ({ ...pod, restartPolicy: 'Never' })

export const workloads = (pod: object) => [
  workload('apps/v1', 'Deployment', {}, pod),
  workload('apps/v1', 'ReplicaSet', {}, pod),
  workload('apps/v1', 'StatefulSet', { serviceName: 'x' }, pod),
  workload('apps/v1', 'DaemonSet', {}, pod),
  {
    ...workload('v1', 'ReplicationController'),
    spec: { template: { metadata: { labels: { w: 'x' } }, spec: pod } },
  },
  { ...workload('batch/v1', 'Job'), spec: { template: { spec: jobPod(pod) } } },
  {
    ...workload('batch/v1', 'CronJob'),
    spec: { schedule: '0 0 * * *', jobTemplate: { spec: { template: { spec: jobPod(pod) } } } },
  },
  {
    ...workload('v1', 'PodTemplate'),
    spec: undefined,
    template: { metadata: { labels: { w: 'x' } }, spec: pod },
  },
]
