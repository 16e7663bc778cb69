import { join } from 'node:path'
import { root } from '../../bed/repository.ts'
import { installAdmission, refuseToOverwrite, uninstall } from './installation.ts'
import { type Bench, expect } from './scenario.ts'
import { buildStandIns } from './stand-in-images.ts'

/** What the scenarios of examples/ have in common. */

interface ExampleOptions {
  readonly example: string
  /** Of the example; gone at the end. */
  readonly namespaces: readonly string[]
  /**
   * What of Greenroom is there: its admission judges the example's pods, whose policy.yaml it has; the example brings it; or
   * nothing.
   */
  readonly greenroom: 'judges' | 'is part of it' | 'is not there'
}

/** The stand-ins and the kinds of other operators are there while `run` runs; everything is taken away afterwards. */
export async function withExample(
  bench: Bench,
  { example, namespaces, greenroom }: ExampleOptions,
  run: () => Promise<void>,
): Promise<void> {
  const { cluster, load, image, folder, say } = bench
  if (!load) {
    say('not run: the images of this cluster are not ours to choose, and the example wants stand-ins')
    return
  }
  await refuseToOverwrite(cluster)
  await load(await buildStandIns(folder))
  await cluster.run(['apply', '--server-side', '-f', join(root, 'test/fixtures/crds')])
  await cluster.run(['wait', '--for=condition=Established', 'crd', '--all', '--timeout=30s'])
  try {
    if (greenroom === 'judges') await installAdmission(cluster, image, [example])
    await run()
  } catch (error) {
    say((await cluster.kubectl(['get', 'pods', '-A', '-o', 'wide'])).stdout)
    throw error
  } finally {
    if (namespaces.length > 0)
      await cluster.run(['delete', 'namespace', ...namespaces, '--ignore-not-found', '--timeout=120s'])
    if (greenroom !== 'is not there') await uninstall(cluster)
  }
}

/** As people apply it; what the API server warns of is said. Paths from the top of the checkout. */
export async function applyExample(
  { cluster, say }: Bench,
  [flag, path]: readonly [string, string],
): Promise<void> {
  const { code, stderr } = await cluster.kubectl(['apply', flag, join(root, path)])
  if (code !== 0) throw new Error(stderr.trim())
  if (stderr !== '') say(stderr.trim())
}

/** Of the webhook's metrics: pods that it would have refused where the policy is enforced. Throws if there were none. */
export async function auditedViolations({ run }: Bench['cluster']): Promise<string> {
  const program = "console.log(await (await fetch('http://localhost:3002/metrics')).text())"
  const exec = ['exec', '-n', 'greenroom-system', 'deployment/agent-webhook', '--']
  const metrics = await run([...exec, 'node', '--input-type=module', '-e', program])
  const found = [...metrics.matchAll(/^greenroom_admission_violations_total\{(.*mode="audit".*)\} (\d+)$/gm)]
  expect(found.length > 0, 'no pod has violated a rule')
  const rules = found.map(([, labels = '']) => /rule="([^"]*)"/.exec(labels)?.[1])
  return `against ${[...new Set(rules)].join(', ')}`
}

/** Every Deployment and StatefulSet of the namespace; which, and after how long they are ready. */
export async function untilAllReady({ run }: Bench['cluster'], namespace: string): Promise<string> {
  const names = await run(['get', 'deployments,statefulsets', '-n', namespace, '-o', 'name'])
  const workloads = names.trim().split('\n')
  for (const workload of workloads)
    await run(['rollout', 'status', workload, '-n', namespace, '--timeout=240s'])
  return workloads.map((name) => name.split('/').at(-1)).join(', ')
}
