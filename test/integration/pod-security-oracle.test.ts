import { ApiException, CoreV1Api, type V1Pod } from '@kubernetes/client-node'
import fc from 'fast-check'
import t from 'tap'
import { temporaryFolder } from '../../bed/processes/temporary-folder.ts'
import { startControlPlane } from '../../bed/servers/control-plane.ts'
import { containersOf, type Pod } from '../../src/admission/pod/pod.ts'
import {
  podSecurityChecks,
  restrictedViolations,
} from '../../src/admission/standards/pod-security-standards.ts'
import { arbitrarySecurityPod } from '../admission/standards/arbitrary-security-pod.ts'

/** The API server's own PodSecurity is the second judge: it must allow and refuse exactly the pods that our checks do. */

const namespace = 'oracle'
/** The API server of the bed is 1.36: its `latest`. */
const version = 'v1.36'
const podCount = 400
/** What may be under way at a time; more only queues in the API server. */
const parallel = 16

/** How PodSecurity begins what a check has to say, by the file of that check. */
const reasons: Readonly<Record<string, RegExp>> = {
  'check_privileged.go': /^privileged\b/,
  'check_hostNamespaces.go': /^host namespaces/,
  'check_hostPorts.go': /^hostPort\b/,
  'check_restrictedVolumes.go': /^restricted volume types/,
  'check_capabilities_restricted.go': /^unrestricted capabilities/,
  'check_seccompProfile_restricted.go': /^seccompProfile/,
  'check_runAsNonRoot.go': /^runAsNonRoot/,
  'check_runAsUser.go': /^runAsUser/,
  'check_allowPrivilegeEscalation.go': /^allowPrivilegeEscalation/,
  'check_procMount_restricted.go': /^procMount/,
  'check_sysctls.go': /^forbidden sysctls/,
  'check_seLinuxOptions.go': /^seLinuxOptions/,
  'check_appArmorProfile.go': /^forbidden AppArmor/,
  'check_windowsHostProcess.go': /^hostProcess/,
  'check_hostProbesAndhostLifecycle.go': /^probe or lifecycle host/,
}

const folder = await temporaryFolder('pod-security-oracle')
const plane = await startControlPlane({ folder: folder.path })
t.teardown(async () => {
  await plane.stop()
  await folder.remove()
})
await plane.createNamespace(namespace, {
  'pod-security.kubernetes.io/enforce': 'restricted',
  'pod-security.kubernetes.io/enforce-version': 'latest',
})
const core = plane.admin().makeApiClient(CoreV1Api)

/** Files of the checks that refuse the pod, none if it is allowed; undefined if the pod is invalid and was not judged. */
async function theirVerdict(pod: V1Pod): Promise<string[] | undefined> {
  try {
    await core.createNamespacedPod({ namespace, body: pod, dryRun: 'All' })
    return []
  } catch (error) {
    if (!(error instanceof ApiException)) throw error
    const { message } = JSON.parse(String(error.body)) as { message: string }
    if (error.code === 422) return undefined
    const [, text] = /violates PodSecurity "restricted:latest": (.*)$/s.exec(message) ?? []
    if (error.code !== 403 || text === undefined) throw new Error(message)
    return filesIn(text)
  }
}

/** `runAsNonRoot != true (pod must …), seccompProfile (…)`: the parts outside of brackets. */
function filesIn(text: string): string[] {
  const heads = text.replaceAll(/ \((?:[^()]|\([^()]*\))*\)/g, '').split(', ')
  return heads
    .map((head) => {
      const [file] = Object.entries(reasons).find(([, pattern]) => pattern.test(head)) ?? []
      if (!file) throw new Error(`no check is known that says "${head}" in: ${text}`)
      return file
    })
    .toSorted()
}

function ourVerdict(pod: Pod): string[] {
  const violations = restrictedViolations({ pod, containers: containersOf(pod) }, version)
  const files = violations.map(({ rule }) => {
    const check = podSecurityChecks.find((candidate) => candidate.rule === rule)
    return check?.reference ?? rule
  })
  return [...new Set(files)].toSorted()
}

/** As the API server completes it before anybody judges: with the node's network every port is the node's. */
function completed(pod: Pod): Pod {
  if (!pod.spec.hostNetwork) return pod
  const complete = (containers: Pod['spec']['containers']) =>
    containers.map((container) => ({
      ...container,
      ...(container.ports && {
        ports: container.ports.map((port) => ({ ...port, hostPort: port.hostPort || 8080 })),
      }),
    }))
  const { containers, initContainers = [] } = pod.spec
  return {
    ...pod,
    spec: { ...pod.spec, containers: complete(containers), initContainers: complete(initContainers) },
  }
}

void t.test('PodSecurity restricted:latest of a real API server judges alike, check by check', async (t) => {
  const seed = Number(process.env.FC_SEED ?? Math.floor(Math.random() * 2 ** 31))
  const pods = fc.sample(arbitrarySecurityPod, { seed, numRuns: podCount })
  const count = { allowed: 0, refused: 0, invalid: 0 }
  const seen = new Set<string>()
  const judge = async ({ metadata, spec }: (typeof pods)[number]): Promise<void> => {
    const pod = { metadata: { ...metadata, generateName: 'p-' }, spec }
    const theirs = await theirVerdict(pod as unknown as V1Pod)
    if (!theirs) return void (count.invalid += 1)
    count[theirs.length === 0 ? 'allowed' : 'refused'] += 1
    for (const file of theirs) seen.add(file)
    const ours = ourVerdict(completed(pod as unknown as Pod))
    if (JSON.stringify(ours) !== JSON.stringify(theirs)) {
      t.same(ours, theirs, `FC_SEED=${seed}: ${JSON.stringify(pod)}`)
    }
  }
  const queue = pods.values()
  await Promise.all(
    Array.from({ length: parallel }, async () => {
      for (const pod of queue) await judge(pod)
    }),
  )
  t.comment(JSON.stringify({ seed, ...count, checks: seen.size }))
  // Enough of each, or the agreement says little.
  t.ok(count.allowed >= podCount / 10, `${count.allowed} allowed`)
  t.ok(count.refused >= podCount / 4, `${count.refused} refused`)
  t.ok(count.invalid <= podCount / 4, `${count.invalid} no valid pods`)
  t.ok(seen.size >= 12, `${seen.size} of ${Object.keys(reasons).length} checks had something to say`)
})
