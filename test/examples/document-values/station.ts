import { type DocumentValue, fromSecret, inContainer, resources } from './document-value.ts'

const beside = (container: object) => ({ spec: { template: { spec: { containers: [{}, container] } } } })
const stationDevelopment = { built: 'station/overlays/development', object: 'Deployment/station' }
const stationProduction = { built: 'station/overlays/production', object: 'Deployment/station' }

export const stationValues: readonly DocumentValue[] = [
  {
    item: '002-03',
    ...stationDevelopment,
    has: inContainer({ volumeMounts: [{ name: 'data', mountPath: '/data' }] }),
  },
  {
    item: '002-04',
    ...stationDevelopment,
    has: inContainer({
      env: [
        { name: 'STN_DEV_MODE' },
        { name: 'OPENAI_API_KEY', valueFrom: { secretKeyRef: { optional: true } } },
        { name: 'GEMINI_API_KEY', valueFrom: { secretKeyRef: { optional: true } } },
        { name: 'GOOGLE_API_KEY', valueFrom: { secretKeyRef: { optional: true } } },
        fromSecret('ENCRYPTION_KEY', 'station-secrets', 'ENCRYPTION_KEY'),
      ],
    }),
  },
  {
    item: '002-05',
    built: 'station/overlays/development',
    object: 'ConfigMap/station-config',
    has: { data: { STN_DEV_MODE: 'true' } },
  },
  {
    item: '002-09',
    built: 'station/overlays/development',
    object: 'Service/station',
    has: { spec: { ports: [{ port: 8585 }, { port: 8586 }] } },
  },
  {
    item: '002-12',
    built: 'station/overlays/development',
    object: 'Service/station-external',
    has: { spec: { type: 'LoadBalancer' } },
  },
  {
    item: '002-13',
    built: 'station/overlays/production',
    object: 'Ingress/station',
    has: {
      metadata: { annotations: { 'cert-manager.io/cluster-issuer': 'letsencrypt-prod' } },
      spec: {
        tls: [{ hosts: ['station.yourdomain.com'], secretName: 'station-tls' }],
        rules: [
          {
            host: 'station.yourdomain.com',
            http: {
              paths: [
                {
                  path: '/',
                  pathType: 'Prefix',
                  backend: { service: { name: 'station', port: { number: 8585 } } },
                },
              ],
            },
          },
        ],
      },
    },
  },
  {
    item: '002-18',
    ...stationProduction,
    has: beside({
      name: 'litestream',
      args: ['replicate', '/data/station.db', 's3://your-bucket/station.db'],
      env: [
        fromSecret('AWS_ACCESS_KEY_ID', 'aws-credentials', 'access-key-id'),
        fromSecret('AWS_SECRET_ACCESS_KEY', 'aws-credentials', 'secret-access-key'),
      ],
      volumeMounts: [{ name: 'data', mountPath: '/data' }],
    }),
  },
  {
    item: '002-19',
    built: 'station/overlays/production',
    object: 'ExternalSecret/station-secrets',
    has: {
      apiVersion: 'external-secrets.io/v1',
      spec: {
        secretStoreRef: { name: 'aws-secrets-manager', kind: 'SecretStore' },
        target: { name: 'station-secrets' },
        data: [{ secretKey: 'OPENAI_API_KEY', remoteRef: { key: 'station/openai-api-key' } }],
      },
    },
  },
  { item: '002-21', ...stationDevelopment, has: { spec: { replicas: 1, strategy: { type: 'Recreate' } } } },
  {
    item: '002-22',
    ...stationDevelopment,
    has: resources({ cpu: '100m', memory: '256Mi' }, { cpu: '500m', memory: '1Gi' }),
  },
  {
    item: '002-23',
    ...stationProduction,
    has: {
      spec: {
        template: {
          spec: {
            containers: [
              {
                name: 'station',
                resources: {
                  requests: { cpu: '250m', memory: '512Mi' },
                  limits: { cpu: '2000m', memory: '4Gi' },
                },
              },
            ],
          },
        },
      },
    },
  },
  {
    item: '002-24',
    built: 'station/overlays/development',
    object: 'PersistentVolumeClaim/station-data',
    has: { spec: { accessModes: ['ReadWriteOncePod'], resources: { requests: { storage: '10Gi' } } } },
  },
  {
    item: '002-25',
    ...stationDevelopment,
    has: {
      spec: {
        template: {
          metadata: {
            annotations: {
              'prometheus.io/scrape': 'true',
              'prometheus.io/port': '8585',
              'prometheus.io/path': '/metrics',
            },
          },
        },
      },
    },
  },
  {
    item: '002-31',
    built: 'station/overlays/k3s',
    object: 'PersistentVolumeClaim/station-data',
    has: {
      spec: {
        storageClassName: 'local-path',
        accessModes: ['ReadWriteOnce'],
        resources: { requests: { storage: '10Gi' } },
      },
    },
  },
  {
    item: '002-32',
    built: 'station/overlays/k3s',
    object: 'Service/station-external',
    has: { spec: { type: 'NodePort' } },
  },
]
