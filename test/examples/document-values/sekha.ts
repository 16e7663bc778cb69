import { type DocumentValue, fromSecret, inContainer, paths, utilization } from './document-value.ts'

const rendered = 'sekha/rendered'
const sekhaController = { built: rendered, object: 'Deployment/sekha-controller' }

export const sekhaValues: readonly DocumentValue[] = [
  {
    item: '004-15',
    built: rendered,
    object: 'StatefulSet/chroma',
    has: {
      spec: {
        serviceName: 'chroma',
        replicas: 1,
        template: {
          spec: {
            containers: [
              {
                ports: [{ name: 'http', containerPort: 8000 }],
                volumeMounts: [{ name: 'chroma-data', mountPath: '/chroma/chroma' }],
                resources: {
                  requests: { cpu: '500m', memory: '1Gi' },
                  limits: { cpu: '2000m', memory: '4Gi' },
                },
              },
            ],
          },
        },
        volumeClaimTemplates: [
          { spec: { accessModes: ['ReadWriteOnce'], resources: { requests: { storage: '50Gi' } } } },
        ],
      },
    },
  },
  {
    item: '004-15',
    built: rendered,
    object: 'Service/chroma',
    has: { spec: { clusterIP: 'None', ports: [{ port: 8000 }] } },
  },
  {
    item: '004-16',
    ...sekhaController,
    has: inContainer({
      ports: [{ name: 'http', containerPort: 8080 }],
      env: [
        { name: 'LOG_LEVEL', value: 'info' },
        {},
        ...['REST_API_KEY', 'MCP_API_KEY', 'DATABASE_URL', 'CHROMA_URL', 'OLLAMA_URL'].map((key) =>
          fromSecret(key, 'sekha-secrets', key),
        ),
      ],
      resources: { requests: { cpu: '500m', memory: '512Mi' }, limits: { cpu: '2000m', memory: '2Gi' } },
    }),
  },
  {
    item: '004-17',
    ...sekhaController,
    has: inContainer({
      livenessProbe: {
        httpGet: { path: '/health', port: 8080 },
        initialDelaySeconds: 30,
        periodSeconds: 10,
        timeoutSeconds: 5,
        failureThreshold: 3,
      },
    }),
  },
  {
    item: '004-18',
    ...sekhaController,
    has: inContainer({
      readinessProbe: {
        httpGet: { path: '/health', port: 8080 },
        initialDelaySeconds: 10,
        periodSeconds: 5,
        timeoutSeconds: 3,
        failureThreshold: 2,
      },
    }),
  },
  {
    item: '004-19',
    built: rendered,
    object: 'Service/sekha-controller',
    has: {
      spec: { type: 'ClusterIP', ports: [{ name: 'http', port: 80, targetPort: 8080, protocol: 'TCP' }] },
    },
  },
  {
    item: '004-20',
    built: rendered,
    object: 'Ingress/sekha-ingress',
    has: {
      metadata: {
        annotations: {
          'cert-manager.io/cluster-issuer': 'letsencrypt-prod',
          'nginx.ingress.kubernetes.io/ssl-redirect': 'true',
        },
      },
      spec: {
        ingressClassName: 'nginx',
        tls: [{ hosts: ['sekha.example.com'], secretName: 'sekha-tls' }],
        rules: [{ host: 'sekha.example.com', http: paths('sekha-controller', 80) }],
      },
    },
  },
  {
    item: '004-21',
    built: rendered,
    object: 'HorizontalPodAutoscaler/sekha-hpa',
    has: {
      spec: {
        minReplicas: 2,
        maxReplicas: 10,
        metrics: [utilization('cpu', 70), utilization('memory', 80)],
        behavior: {
          scaleDown: {
            stabilizationWindowSeconds: 300,
            policies: [{ type: 'Percent', value: 50, periodSeconds: 60 }],
          },
          scaleUp: {
            stabilizationWindowSeconds: 0,
            policies: [
              { type: 'Percent', value: 100, periodSeconds: 15 },
              { type: 'Pods', value: 2, periodSeconds: 15 },
            ],
            selectPolicy: 'Max',
          },
        },
      },
    },
  },
  {
    item: '004-22',
    built: rendered,
    object: 'ServiceMonitor/sekha-controller',
    has: {
      spec: {
        selector: { matchLabels: { app: 'sekha-controller' } },
        endpoints: [{ port: 'http', path: '/metrics', interval: '30s' }],
      },
    },
  },
]
