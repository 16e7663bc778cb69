import { type DocumentValue, resources, utilization } from './document-value.ts'

const built = 'stella'

export const stellaValues: readonly DocumentValue[] = [
  { item: '000-01', built, object: 'Namespace/ai-agents', has: {} },
  {
    item: '000-19',
    built,
    object: 'StatefulSet/postgres',
    has: { spec: { volumeClaimTemplates: [{ spec: { resources: { requests: { storage: '10Gi' } } } }] } },
  },
  { item: '000-19', built, object: 'Service/postgres', has: { spec: { ports: [{ port: 5432 }] } } },
  {
    item: '000-20',
    built,
    object: 'Service/livekit',
    has: {
      spec: {
        ports: [
          { port: 7880, protocol: 'TCP' },
          { port: 7881, protocol: 'TCP' },
          { port: 7882, protocol: 'UDP' },
        ],
      },
    },
  },
  // Without it the variable LIVEKIT_PORT that Kubernetes makes of the Service ends LiveKit at its start.
  {
    item: '000-20',
    built,
    object: 'Deployment/livekit',
    has: { spec: { template: { spec: { enableServiceLinks: false } } } },
  },
  {
    item: '000-21',
    built,
    object: 'Deployment/session-management-server',
    has: { spec: { template: { spec: { serviceAccountName: 'session-management-sa' } } } },
  },
  {
    item: '000-21',
    built,
    object: 'Service/session-management-server',
    has: { spec: { ports: [{ port: 3000 }] } },
  },
  {
    item: '000-29',
    built,
    object: 'StatefulSet/postgres',
    has: resources({ cpu: '250m', memory: '256Mi' }, { cpu: '500m', memory: '512Mi' }),
  },
  {
    item: '000-30',
    built,
    object: 'Deployment/livekit',
    has: resources({ cpu: '250m', memory: '256Mi' }, { cpu: '1000m', memory: '1Gi' }),
  },
  {
    item: '000-31',
    built,
    object: 'Deployment/session-management-server',
    has: resources({ cpu: '250m', memory: '512Mi' }, { cpu: '1000m', memory: '1Gi' }),
  },
  {
    item: '001-23',
    built,
    object: 'ResourceQuota/ai-agents-quota',
    has: {
      spec: {
        hard: {
          'requests.cpu': '10',
          'requests.memory': '20Gi',
          'limits.cpu': '20',
          'limits.memory': '40Gi',
          pods: '50',
        },
      },
    },
  },
  {
    item: '001-24',
    built,
    object: 'LimitRange/ai-agents-limits',
    has: {
      spec: {
        limits: [
          {
            type: 'Container',
            default: { cpu: '500m', memory: '1Gi' },
            defaultRequest: { cpu: '100m', memory: '256Mi' },
          },
        ],
      },
    },
  },
  {
    item: '001-28',
    built,
    object: 'NetworkPolicy/agent-network-policy',
    has: { metadata: { namespace: 'ai-agents' } },
  },
  {
    item: '001-32',
    built,
    object: 'HorizontalPodAutoscaler/backend-hpa',
    has: {
      apiVersion: 'autoscaling/v2',
      spec: {
        scaleTargetRef: { apiVersion: 'apps/v1', kind: 'Deployment', name: 'session-management-server' },
        minReplicas: 2,
        maxReplicas: 10,
        metrics: [utilization('cpu', 70)],
      },
    },
  },
]
