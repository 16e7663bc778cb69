import t from 'tap'
import { checkPools } from '../../src/domain/pool.ts'
import { slotPod, templateHash } from '../../src/domain/slot-pod.ts'

const poolWith = (template: object, more: object = {}) =>
  checkPools(
    JSON.stringify({
      pools: { 'echo-agent': { template: { image: 'a', ...template }, min: 1, max: 2, ...more } },
    }),
  )
const specOf = (...given: Parameters<typeof poolWith>) => {
  const checked = poolWith(...given)
  if (!checked.ok) throw new Error(checked.problems.join('; '))
  const spec = checked.value.pools['echo-agent']
  if (!spec) throw new Error('no pool')
  return spec
}

const volumes = [
  { name: 'scratch', emptyDir: { sizeLimit: '1Gi' } },
  { name: 'prompts', configMap: { name: 'prompts', items: [{ key: 'a', path: 'b/a' }] } },
  { name: 'licence', secret: { secretName: 'licence', optional: true } },
  { name: 'both', projected: { sources: [{ configMap: { name: 'c' } }, { secret: { name: 's' } }] } },
  {
    name: 'disk',
    ephemeral: {
      volumeClaimTemplate: {
        spec: { accessModes: ['ReadWriteOnce'], resources: { requests: { storage: '1Gi' } } },
      },
    },
  },
  { name: 'models', persistentVolumeClaim: { claimName: 'models', readOnly: true } },
]
const volumeMounts = volumes.map(({ name }) => ({ name, mountPath: `/mnt/${name}` }))

void t.test('every kind of volume, mounts, labels and annotations come into the pod', (t) => {
  const metadata = {
    labels: { team: 'voice', 'example.com/tier': 'gold' },
    annotations: { 'example.com/on-call': 'a b' },
  }
  const spec = specOf({ volumes, volumeMounts }, metadata)
  const pod = slotPod('echo-agent', spec, { namespace: 'n' })
  t.same(pod.spec?.volumes, volumes)
  t.same(pod.spec?.containers[0]?.volumeMounts, volumeMounts)
  t.match(pod.metadata, {
    labels: { ...metadata.labels, 'agent-type': 'echo-agent', 'greenroom.dev/pool': 'echo-agent' },
    annotations: { ...metadata.annotations, 'greenroom.dev/template-hash': templateHash('echo-agent', spec) },
  })
  t.not(templateHash('echo-agent', spec), templateHash('echo-agent', specOf({ volumes, volumeMounts })))
  t.not(templateHash('echo-agent', specOf({ volumes })), templateHash('echo-agent', specOf({})))
  t.end()
})

void t.test('each mistake is named with its path', (t) => {
  const emptyDir = {}
  const mistakes: [string, object, object, RegExp][] = [
    [
      'the node’s files',
      { volumes: [{ name: 'a', hostPath: { path: '/' } }] },
      {},
      /volumes\/0\/hostPath: is not a known key/,
    ],
    ['no source', { volumes: [{ name: 'a' }] }, {}, /volumes\/0: must name one of emptyDir, /],
    [
      'two sources',
      { volumes: [{ name: 'a', emptyDir, configMap: { name: 'c' } }] },
      {},
      /volumes\/0: must name one/,
    ],
    [
      'a claim to write to',
      { volumes: [{ name: 'a', persistentVolumeClaim: { claimName: 'c' } }] },
      {},
      /readOnly: is missing/,
    ],
    [
      'a token',
      { volumes: [{ name: 'a', projected: { sources: [{ serviceAccountToken: {} }] } }] },
      {},
      /serviceAccountToken: is not a known key/,
    ],
    [
      'the webhook’s name',
      { volumes: [{ name: 'greenroom-tmp', emptyDir }] },
      {},
      /volumes\/0\/name: must match pattern/,
    ],
    [
      'the same name',
      {
        volumes: [
          { name: 'a', emptyDir },
          { name: 'a', emptyDir },
        ],
      },
      {},
      /volumes: a is listed twice/,
    ],
    [
      'no such volume',
      { volumeMounts: [{ name: 'a', mountPath: '/a' }] },
      {},
      /volumeMounts\/0\/name: there is no volume a/,
    ],
    [
      'a path that leads out',
      { volumes: [{ name: 'a', emptyDir }], volumeMounts: [{ name: 'a', mountPath: '/a', subPath: '../b' }] },
      {},
      /subPath/,
    ],
    [
      'Greenroom’s label',
      {},
      { labels: { 'greenroom.dev/pool': 'x' } },
      /labels: greenroom\.dev\/pool is not set by a pool/,
    ],
    ['the policy’s label', {}, { labels: { app: 'x' } }, /labels: app is not set by a pool/],
    [
      'Kubernetes’ annotation',
      {},
      { annotations: { 'kubernetes.io/config.mirror': 'x' } },
      /annotations: kubernetes\.io\/config\.mirror/,
    ],
    ['no label value', {}, { labels: { team: 'a b' } }, /labels\/team: must match pattern/],
    ['too young to go', {}, { maxIdleAge: 9 }, /maxIdleAge: must be >= 10/],
  ]
  for (const [name, template, more, problem] of mistakes) {
    const checked = poolWith(template, more)
    t.match(checked.ok ? [] : checked.problems.join('\n'), problem, name)
  }
  t.end()
})
