import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { root } from '../../bed/repository.ts'
import { objectsIn, testHelm } from '../helm/rendered-chart.ts'

/** Sekha's chart by the real Helm: clean, the same as rendered/, and each value of its document does what it says. */

const chart = join(root, 'examples/sekha/chart')
const tried = await testHelm()
const { helm } = tried
t.teardown(() => tried.remove())

async function template(...set: readonly string[]): Promise<string> {
  const values = set.flatMap((value) => ['--set', value])
  const { code, stdout, stderr } = await helm(['template', 'sekha', chart, '--namespace', 'sekha', ...values])
  if (code !== 0) throw new Error(stderr)
  return stdout
}

void t.test('004-02, 004-03: helm lint finds nothing', async (t) => {
  const { code, stdout } = await helm(['lint', '--strict', chart])
  t.equal(code, 0, stdout)
  t.notMatch(stdout, /\[(WARNING|ERROR)\]/)
})

void t.test('rendered/ is what helm makes of it', async (t) => {
  const kept = await readFile(join(root, 'examples/sekha/rendered/sekha.yaml'), 'utf8')
  const [comments = '', ...rest] = kept.split(/^(?=---$)/m)
  t.match(comments, 'helm template sekha chart --namespace sekha')
  t.equal(rest.join(''), await template('ollama.enabled=true', 'serviceMonitor.enabled=true'))
})

interface ValueCase {
  readonly item: string
  readonly set: readonly string[]
  readonly object: string
  /** What the object has then; `null`: there is no such object. */
  readonly has: object | null
}

const controller = 'Deployment/sekha-controller'
const container = (has: object) => ({ spec: { template: { spec: { containers: [has] } } } })
const storage = (size: string) => ({
  spec: { volumeClaimTemplates: [{ spec: { resources: { requests: { storage: size } } } }] },
})
const utilization = (name: string, averageUtilization: number) => ({
  resource: { name, target: { averageUtilization } },
})

/** Each value another one than the document's, so that none is written down in a template. */
const cases: readonly ValueCase[] = [
  {
    item: '004-05',
    set: ['autoscaling.enabled=false', 'replicaCount=4'],
    object: controller,
    has: { spec: { replicas: 4 } },
  },
  {
    item: '004-05',
    set: ['image.repository=example.com/sekha', 'image.tag=9.9', 'image.pullPolicy=Never'],
    object: controller,
    has: container({ image: 'example.com/sekha:9.9', imagePullPolicy: 'Never' }),
  },
  {
    item: '004-06',
    set: [
      'resources.requests.cpu=1m',
      'resources.requests.memory=2Mi',
      'resources.limits.cpu=3m',
      'resources.limits.memory=4Mi',
    ],
    object: controller,
    has: container({
      resources: { requests: { cpu: '1m', memory: '2Mi' }, limits: { cpu: '3m', memory: '4Mi' } },
    }),
  },
  {
    item: '004-07',
    set: [
      'autoscaling.minReplicas=3',
      'autoscaling.maxReplicas=7',
      'autoscaling.targetCPUUtilizationPercentage=11',
      'autoscaling.targetMemoryUtilizationPercentage=12',
    ],
    object: 'HorizontalPodAutoscaler/sekha-hpa',
    has: {
      spec: { minReplicas: 3, maxReplicas: 7, metrics: [utilization('cpu', 11), utilization('memory', 12)] },
    },
  },
  {
    item: '004-07',
    set: ['autoscaling.enabled=false'],
    object: 'HorizontalPodAutoscaler/sekha-hpa',
    has: null,
  },
  {
    item: '004-08',
    set: [
      'ingress.className=traefik',
      'ingress.hosts[0].host=a.example',
      'ingress.hosts[0].paths[0].path=/x',
      'ingress.hosts[0].paths[0].pathType=Exact',
      'ingress.tls[0].secretName=a-tls',
      'ingress.tls[0].hosts[0]=a.example',
    ],
    object: 'Ingress/sekha-ingress',
    has: {
      spec: {
        ingressClassName: 'traefik',
        tls: [{ secretName: 'a-tls', hosts: ['a.example'] }],
        rules: [{ host: 'a.example', http: { paths: [{ path: '/x', pathType: 'Exact' }] } }],
      },
    },
  },
  { item: '004-08', set: ['ingress.enabled=false'], object: 'Ingress/sekha-ingress', has: null },
  {
    item: '004-09',
    set: [
      'postgresql.auth.database=d',
      'postgresql.auth.username=u',
      'postgresql.auth.existingSecret=s',
      'postgresql.primary.persistence.size=21Gi',
    ],
    object: 'StatefulSet/postgres',
    has: {
      spec: {
        template: {
          spec: {
            containers: [
              {
                env: [
                  { name: 'POSTGRES_USER', value: 'u' },
                  { name: 'POSTGRES_DB', value: 'd' },
                  { name: 'POSTGRES_PASSWORD', valueFrom: { secretKeyRef: { name: 's', key: 'password' } } },
                ],
              },
            ],
          },
        },
        ...storage('21Gi').spec,
      },
    },
  },
  // Also 004-14: a managed PostgreSQL is named by DATABASE_URL.
  { item: '004-09', set: ['postgresql.enabled=false'], object: 'StatefulSet/postgres', has: null },
  {
    item: '004-10',
    set: ['chroma.persistence.size=51Gi'],
    object: 'StatefulSet/chroma',
    has: storage('51Gi'),
  },
  { item: '004-10', set: ['chroma.enabled=false'], object: 'StatefulSet/chroma', has: null },
  {
    item: '004-11',
    set: ['sekha.config.logLevel=debug', 'sekha.config.maxConnections=7'],
    object: controller,
    has: container({
      env: [
        { name: 'LOG_LEVEL', value: 'debug' },
        { name: 'MAX_CONNECTIONS', value: '7' },
      ],
    }),
  },
  {
    item: '004-11',
    set: ['sekha.secrets.apiKey=a', 'sekha.secrets.mcpApiKey=m', 'sekha.secrets.databaseUrl=postgresql://d'],
    object: 'Secret/sekha-secrets',
    has: { stringData: { REST_API_KEY: 'a', MCP_API_KEY: 'm', DATABASE_URL: 'postgresql://d' } },
  },
  { item: '004-11', set: [], object: 'Secret/sekha-secrets', has: null },
]

for (const { item, set, object, has } of cases) {
  void t.test(`${item}: ${set.join(' ') || 'as it is'}`, async (t) => {
    const objects = objectsIn(await template(...set))
    const found = objects.find(({ kind, metadata }) => `${kind}/${metadata.name}` === object)
    if (has) t.has(found, has, object)
    else t.notOk(found, `no ${object}`)
  })
}

void t.test('keys for a trial without a database are refused, by name', async (t) => {
  const refused = await helm([
    'template',
    'sekha',
    chart,
    '--set',
    'sekha.secrets.apiKey=a',
    '--set',
    'sekha.secrets.mcpApiKey=m',
  ])
  t.match(refused, { code: 1, stderr: /sekha\.secrets\.databaseUrl is needed/ })
})
