import t from 'tap'
import type { Pod } from '../../../src/admission/pod/pod.ts'
import { violationsIn } from '../pod-creation.ts'
import { inForceOf, policy, samplePod, tokenVolume } from '../pod-samples.ts'

/** A component that keeps data: its row names the claim, which is for its own pods alone. */

const path = '/var/lib/postgresql/data'
const components = policy.components.filter(({ serviceAccount }) => serviceAccount !== 'postgres')
const database = {
  serviceAccount: 'postgres',
  images: ['postgres:18'],
  commands: [],
  args: [],
  env: [],
  mounts: [{ path, claim: 'data-postgres-0' }],
}
const within = inForceOf({ ...policy, components: [...components, database] })
const own = { persistentVolumeClaim: { claimName: 'data-postgres-0' } }

void t.test('the pod mounts the claim of its row, whole, and no other volume in its place', async (t) => {
  const data = (volume: object): Pod =>
    samplePod({
      labels: { 'greenroom.dev/component': 'postgres' },
      container: {
        image: 'postgres:18',
        securityContext: { allowPrivilegeEscalation: false, capabilities: { drop: ['ALL'] } },
        volumeMounts: [{ name: 'data', mountPath: path }],
      },
      spec: {
        serviceAccountName: 'postgres',
        securityContext: { runAsNonRoot: true, seccompProfile: { type: 'RuntimeDefault' } },
        volumes: [{ name: 'data', ...volume }],
      },
    })
  t.same(violationsIn(data(own), within), [])
  for (const volume of [
    { persistentVolumeClaim: { claimName: 'another' } },
    { persistentVolumeClaim: { claimName: 'data-postgres-0', tomorrow: true } },
    { ...own, emptyDir: {} },
    { emptyDir: {} },
  ]) {
    const at = 'spec.containers[0].volumeMounts[0]'
    t.match(
      violationsIn(data(volume), within),
      [{ rule: 'component-shape', path: at }],
      JSON.stringify(volume),
    )
  }
})

void t.test('no other pod mounts the claim, nor makes one of its name', async (t) => {
  const made = {
    ephemeral: { volumeClaimTemplate: { spec: { resources: { requests: { storage: '1Gi' } } } } },
  }
  const stolen = (volume: object, name = 'thief'): string[] => {
    const pod = samplePod({ spec: { volumes: [tokenVolume, { name: 'postgres-0', ...volume }] } })
    return violationsIn({ ...pod, metadata: { ...pod.metadata, name } }, within)
      .filter(({ rule }) => rule === 'component-claims')
      .map(({ path, found }) => `${path} ${found}`)
  }
  const refused = ['spec.volumes[1] "data-postgres-0"']
  t.same(stolen(own), refused)
  t.same(stolen({ persistentVolumeClaim: { claimName: 'data-postgres-0', readOnly: true } }), refused)
  t.same(stolen(made, 'data'), refused, 'the name that Kubernetes gives the claim of a volume of the pod')
  t.same(stolen(made), [])
  t.same(stolen({ persistentVolumeClaim: { claimName: 'mine' } }), [])
})
