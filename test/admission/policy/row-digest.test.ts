import t from 'tap'
import { effectiveRow } from '../../../src/admission/policy/effective-row.ts'
import { rowDigest } from '../../../src/admission/policy/row-digest.ts'
import { checkPolicy } from '../../../src/admission/rules/check-policy.ts'

function digestOf(row: object, rest: object = {}): string {
  const resources = { requests: { cpu: '50m', memory: '64Mi' }, limits: { cpu: '1', memory: '1Gi' } }
  const checked = checkPolicy(
    JSON.stringify({
      version: '1',
      agentTypes: { light: { resources, secretsFor: 'pools', ...row }, other: { resources } },
      ...rest,
    }),
  )
  if (!checked.ok) throw new Error(checked.problems.join('; '))
  const effective = effectiveRow('light', checked.value)
  if (!effective) throw new Error('no row')
  return rowDigest(effective)
}

void t.test(
  'the digest is the same everywhere; its version goes up with every change of what it covers',
  (t) => {
    t.equal(digestOf({}), '1-94ac3ff8ef0eefd5')
    t.end()
  },
)

void t.test('what shapes a pod changes it, whether it stands in the row or in the defaults', (t) => {
  const changes = [
    { gracePeriodSeconds: 5 },
    { env: [{ name: 'A', value: 'b' }] },
    { secrets: [{ env: 'KEY', secret: 'keys', key: 'a' }] },
    { secretsVersion: '2' },
    { tolerations: [{ key: 'gpu', operator: 'Exists' }] },
    { nodeAffinity: [{ key: 'disk', operator: 'Exists' }] },
    { writablePaths: [{ path: '/cache', sizeLimit: '1Gi' }] },
  ]
  for (const change of changes) t.not(digestOf(change), digestOf({}), JSON.stringify(change))
  t.not(digestOf({}, { defaults: { gracePeriodSeconds: 5 } }), digestOf({}))
  t.not(digestOf({ secretsVersion: '2' }), digestOf({ secretsVersion: '3' }))
  t.end()
})

void t.test('what only judges, another version and other rows change nothing', (t) => {
  t.equal(digestOf({ images: { allowed: ['light'] } }), digestOf({}))
  t.equal(digestOf({ allowedSecrets: ['models'] }), digestOf({}))
  t.equal(digestOf({ volumeKinds: ['emptyDir'] }), digestOf({}))
  t.equal(digestOf({}, { version: '2', modes: { images: 'warn' } }), digestOf({}))
  t.end()
})
