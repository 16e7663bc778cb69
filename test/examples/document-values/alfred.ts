import {
  type DocumentValue,
  fromSecret,
  inContainer,
  paths,
  resources,
  utilization,
} from './document-value.ts'

const labels = (component: string) => ({ app: 'alfred-platform', component })
const alfredProd = 'alfred/overlays/prod'
const prodCore = { built: alfredProd, object: 'Deployment/agent-core' }
const probe = (initialDelaySeconds: number, periodSeconds: number) => ({
  httpGet: { path: '/health', port: 8011 },
  initialDelaySeconds,
  periodSeconds,
})

export const alfredValues: readonly DocumentValue[] = [
  {
    item: '003-03',
    built: alfredProd,
    object: 'Namespace/alfred-platform',
    has: { metadata: { labels: { app: 'alfred-platform' } } },
  },
  {
    item: '003-04',
    built: 'alfred/base',
    object: 'Deployment/agent-core',
    has: {
      metadata: { labels: labels('agent-core') },
      spec: {
        replicas: 3,
        selector: { matchLabels: labels('agent-core') },
        template: { spec: { containers: [{ ports: [{ containerPort: 8011 }] }] } },
      },
    },
  },
  {
    item: '003-05',
    ...prodCore,
    has: inContainer({
      env: [
        {
          name: 'ALFRED_ENVIRONMENT',
          valueFrom: { configMapKeyRef: { name: 'alfred-config', key: 'environment' } },
        },
      ],
    }),
  },
  {
    item: '003-06',
    ...prodCore,
    has: inContainer({ env: [{}, fromSecret('ALFRED_DATABASE_URL', 'alfred-secrets', 'database-url')] }),
  },
  {
    item: '003-07',
    ...prodCore,
    has: resources({ cpu: '500m', memory: '512Mi' }, { cpu: '1000m', memory: '1Gi' }),
  },
  { item: '003-08', ...prodCore, has: inContainer({ livenessProbe: probe(30, 10) }) },
  { item: '003-09', ...prodCore, has: inContainer({ readinessProbe: probe(5, 5) }) },
  {
    item: '003-10',
    built: alfredProd,
    object: 'StatefulSet/postgres',
    has: {
      spec: {
        serviceName: 'postgres',
        replicas: 1,
        template: {
          spec: {
            containers: [
              {
                image: 'supabase/postgres:15.1.0.117',
                ports: [{ containerPort: 5432 }],
                env: [
                  fromSecret('POSTGRES_USER', 'alfred-secrets', 'db-user'),
                  fromSecret('POSTGRES_PASSWORD', 'alfred-secrets', 'db-password'),
                  {
                    name: 'POSTGRES_DB',
                    valueFrom: { configMapKeyRef: { name: 'alfred-config', key: 'db-name' } },
                  },
                ],
                volumeMounts: [{ name: 'postgres-data', mountPath: '/var/lib/postgresql/data' }],
              },
            ],
          },
        },
        volumeClaimTemplates: [
          {
            metadata: { name: 'postgres-data' },
            spec: {
              accessModes: ['ReadWriteOnce'],
              storageClassName: 'standard',
              resources: { requests: { storage: '10Gi' } },
            },
          },
        ],
      },
    },
  },
  {
    item: '003-11',
    built: alfredProd,
    object: 'Service/agent-core',
    has: {
      metadata: { labels: labels('agent-core') },
      spec: { type: 'ClusterIP', ports: [{ name: 'http', port: 8011, targetPort: 8011 }] },
    },
  },
  {
    item: '003-12',
    built: alfredProd,
    object: 'Ingress/alfred-platform',
    has: {
      metadata: { annotations: { 'cert-manager.io/cluster-issuer': 'letsencrypt-prod' } },
      spec: {
        ingressClassName: 'nginx',
        tls: [{ secretName: 'alfred-platform-tls' }],
        rules: [
          { host: 'api.alfred-platform.example.com', http: paths('agent-core', 8011) },
          { host: 'ui.alfred-platform.example.com', http: paths('ui-chat', 8501) },
        ],
      },
    },
  },
  {
    item: '003-13',
    built: alfredProd,
    object: 'ConfigMap/alfred-config',
    has: {
      data: {
        environment: 'production',
        'log-level': 'info',
        'db-name': 'postgres',
        'redis-host': 'redis',
        'pubsub-project': 'alfred-agent-platform',
        'vector-db-url': 'http://vector-db:6333',
      },
    },
  },
  {
    item: '003-15',
    built: 'alfred/overlays/dev',
    object: 'ConfigMap/alfred-config',
    has: { data: { environment: 'development', 'log-level': 'debug', 'redis-host': 'redis' } },
  },
  {
    item: '003-16',
    built: 'alfred/overlays/dev',
    object: 'Deployment/agent-core',
    has: resources({ cpu: '100m', memory: '256Mi' }, { cpu: '500m', memory: '512Mi' }),
  },
  {
    item: '003-17',
    built: alfredProd,
    object: 'ConfigMap/alfred-config',
    has: { data: { environment: 'production', 'log-level': 'info' } },
  },
  {
    item: '003-19',
    built: alfredProd,
    object: 'HorizontalPodAutoscaler/agent-core',
    has: {
      apiVersion: 'autoscaling/v2',
      spec: { minReplicas: 3, maxReplicas: 10, metrics: [utilization('cpu', 75), utilization('memory', 75)] },
    },
  },
  {
    item: '003-20',
    built: alfredProd,
    object: 'PersistentVolumeClaim/vector-db-data',
    has: {
      spec: {
        accessModes: ['ReadWriteOnce'],
        storageClassName: 'standard',
        resources: { requests: { storage: '10Gi' } },
      },
    },
  },
  {
    item: '003-21',
    built: alfredProd,
    object: 'PodDisruptionBudget/agent-core',
    has: { spec: { maxUnavailable: 1, selector: { matchLabels: labels('agent-core') } } },
  },
  {
    item: '003-26',
    ...prodCore,
    has: { spec: { strategy: { type: 'RollingUpdate', rollingUpdate: { maxSurge: 1, maxUnavailable: 0 } } } },
  },
  {
    item: '003-27',
    built: alfredProd,
    object: 'ServiceMonitor/agent-core',
    has: {
      spec: {
        selector: { matchLabels: labels('agent-core') },
        endpoints: [{ port: 'http', path: '/metrics', interval: '15s' }],
      },
    },
  },
  {
    item: '003-28',
    built: alfredProd,
    object: 'ConfigMap/alfred-platform-dashboard',
    has: { metadata: { labels: { grafana_dashboard: '1' } } },
  },
  {
    item: '003-29',
    built: alfredProd,
    object: 'NetworkPolicy/agent-core',
    has: {
      spec: {
        podSelector: { matchLabels: labels('agent-core') },
        policyTypes: ['Ingress', 'Egress'],
        ingress: [{ from: [{ podSelector: { matchLabels: { app: 'alfred-platform' } } }] }],
        egress: [
          { to: [{ podSelector: { matchLabels: { app: 'alfred-platform' } } }] },
          {
            ports: [
              { protocol: 'UDP', port: 53 },
              { protocol: 'TCP', port: 53 },
            ],
          },
        ],
      },
    },
  },
  {
    item: '003-30',
    built: alfredProd,
    object: 'Role/agent-core',
    has: { rules: [{ apiGroups: [''], resources: ['configmaps', 'secrets'], verbs: ['get', 'list'] }] },
  },
]
