import t from 'tap'
import { classOf } from '../../../src/admission/policy/pod-class.ts'
import { policy, samplePod } from '../pod-samples.ts'

const componentOf = (...images: string[]) =>
  classOf(
    samplePod({
      spec: {
        serviceAccountName: 'session-management-sa',
        containers: images.map((image, index) => ({ name: `c${index}`, image })),
      },
    }),
    policy,
  ).kind === 'component'

void t.test(
  "only Greenroom's image makes a pod a component; a registry that begins like it does not",
  async (t) => {
    const digest = `sha256:${'0'.repeat(64)}`
    for (const image of [
      'greenroom:0.1.0',
      `greenroom@${digest}`,
      `docker.io/library/greenroom:1@${digest}`,
    ]) {
      t.ok(componentOf(image), image)
    }
    const others =
      'greenroom:5000/evil/rootkit:1|greenroom:5000/greenroom:1|greenroom:1:2|greenroom: 1|greenroom:|greenroom.evil.example/x|' +
      'evil/greenroom:1|localhost/greenroom:1|greenroom-evil:1|GREENROOM:1|'
    for (const image of others.split('|')) {
      t.notOk(componentOf(image), image)
    }
    t.notOk(componentOf('greenroom:1', 'evil:1'), 'every container counts')
  },
)
