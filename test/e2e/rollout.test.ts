import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { CoreV1Api } from '@kubernetes/client-node'
import t from 'tap'
import { parseAllDocuments } from 'yaml'
import { startBed } from '../../bed/bed.ts'
import { until } from '../../bed/processes/until.ts'
import { assignKeyManifests } from '../../src/cli/assign-key.ts'
import type { RolloutReport } from '../../src/domain/rollout-report.ts'
import { runProgram } from '../support/run-program.ts'
import { agentType, createSessionCaller } from './session-caller.ts'

/** Roll-outs through the real API server and the real webhook, with sessions that come and go meanwhile. */

t.setTimeout(400_000)
const min = 4
const echo = { image: 'greenroom:0.1.0', command: ['node', 'src/agent/echo-agent.ts'] }
const poolsOf = (template: object, more: object = {}): string =>
  JSON.stringify({ pools: { [agentType]: { template, min, max: 20, ...more } } })
const bed = await startBed({ pools: poolsOf(echo), controllerEnv: { GREENROOM_OLD_KEY_SECONDS: '10' } })
const caller = createSessionCaller(bed)
const core = bed.plane.admin().makeApiClient(CoreV1Api)
const { namespace } = bed
t.teardown(async () => {
  caller.client.close()
  await bed.stop()
})
await caller.untilIdle(min)

const rollout = async (): Promise<RolloutReport> =>
  JSON.parse((await caller.client.call({ method: 'GET', path: `/v1/pools/${agentType}/rollout` })).text)
const untilPhase = (phase: string) =>
  until(`phase ${phase}`, async () => (await rollout()).phase === phase, 90_000)
const pods = async () =>
  (await core.listNamespacedPod({ namespace, labelSelector: `agent-type=${agentType}` })).items.filter(
    ({ metadata }) => !metadata?.deletionTimestamp && metadata?.labels?.['greenroom.dev/state'] === 'idle',
  )
const annotations = async (name: string) =>
  new Set((await pods()).map(({ metadata }) => metadata?.annotations?.[`greenroom.dev/${name}`]))

/** Three callers that open a session, hold it for a moment and end it, until the work is done. Every refusal counts. */
async function underLoad(work: () => Promise<unknown>): Promise<{ opens: number; failed: string[] }> {
  const failed: string[] = []
  let [opens, over] = [0, false]
  const loop = async (): Promise<void> => {
    while (!over) {
      const answer = await caller.client.open({ agentType, waitMs: 20_000 })
      opens += 1
      if (answer.status !== 201) failed.push(`${answer.status} ${answer.body.code}`)
      else {
        await pause(300)
        await caller.client.call({ method: 'DELETE', path: `/v1/sessions/${answer.body.id}` })
      }
      await pause(700)
    }
  }
  const loops = [loop(), loop()]
  try {
    await work()
  } finally {
    over = true
    await Promise.all(loops)
  }
  return { opens, failed }
}

async function patchPolicy(change: (text: string) => string): Promise<void> {
  const { data } = await core.readNamespacedConfigMap({ namespace, name: 'agent-policy' })
  const patch = JSON.stringify({ data: { 'policy.yaml': change(data?.['policy.yaml'] ?? '') } })
  await caller.kubectl('patch', 'configmap', 'agent-policy', '--type=merge', '-p', patch)
}

void t.test('a changed template is rolled under load, and no open fails', async (t) => {
  const next = poolsOf({ ...echo, env: [{ name: 'ROUND', value: '2' }] }, { rollout: { maxUnavailable: 2 } })
  const [before] = await annotations('template-hash')
  const { opens, failed } = await underLoad(async () => {
    await caller.setPools(next)
    await until('the document is seen', async () => (await rollout()).current.templateHash !== before)
    await untilPhase('done')
  })
  t.same(failed, [], `${opens} opens`)
  t.ok(opens > 3, `${opens} opens`)
  t.notOk((await annotations('template-hash')).has(before))
})

void t.test('a changed row is rolled, another version of the same row is not', async (t) => {
  await caller.untilIdle(min)
  const [before] = await annotations('policy-digest')
  t.match(before, /^1-[0-9a-f]{16}$/)
  const names = (await pods()).map(({ metadata }) => metadata?.name)
  await patchPolicy((text) => text.replace('version: "1"', 'version: "2"'))
  await until('the policy to be in force', async () => {
    const kept = await core.readNamespacedConfigMap({ namespace, name: 'agent-policy-accepted' })
    return kept.data?.['policy.yaml']?.includes('version: "2"')
  })
  await pause(18_000)
  t.same(new Set((await pods()).map(({ metadata }) => metadata?.name)), new Set(names), 'no pod is replaced')
  await patchPolicy((text) => text.replace(/( +)echo-agent:\n/, '$1echo-agent:\n$1  secretsVersion: "2"\n'))
  await until('all of the new row', async () => !(await annotations('policy-digest')).has(before), 90_000)
  t.equal((await caller.client.pool(agentType)).status, 200)
})

void t.test('a new signing key is rolled, and the old one goes when nothing needs it', async (t) => {
  await untilPhase('done')
  await caller.untilIdle(min)
  const keyFile = join(bed.folder, 'assign-keys.json')
  const previous = await readFile(keyFile, 'utf8')
  const [secret, publicSet] = parseAllDocuments(await assignKeyManifests({ namespace, previous })).map(
    (document) => document.toJS(),
  )
  const patch = JSON.stringify({ data: publicSet.data })
  const [kid, oldKid] = JSON.parse(publicSet.data['keys.json']).keys.map((key: { kid: string }) => key.kid)
  const name = 'greenroom-assign-keys'
  const publicKids = async (): Promise<string[]> => {
    const { data } = await core.readNamespacedConfigMap({ namespace, name })
    return JSON.parse(data?.['keys.json'] ?? '').keys.map((key: { kid: string }) => key.kid)
  }
  const held = await caller.open()
  await caller.kubectl('patch', 'configmap', name, '--type=merge', '-p', patch)
  const listed = async () => [...(await annotations('assign-key-ids'))].every((ids) => ids?.startsWith(kid))
  const rolled = await underLoad(() => until('all pods list the new key', listed, 90_000))
  t.same(rolled.failed, [], 'a server that has only the old key signs with that')

  await writeFile(keyFile, secret.stringData['keys.json'])
  for (const role of ['controller', 'api-1']) await bed.roles.get(role)?.restart()
  const answers = async () => (await caller.client.pool(agentType).catch(() => undefined))?.status === 200
  await until('the session server with both keys', answers, 60_000)
  await caller.untilIdle(min)
  const kept = await underLoad(async () => {
    await pause(15_000)
    t.same(await publicKids(), [kid, oldKid], 'the pod of a session that is older lists the old key alone')
    await caller.client.call({ method: 'DELETE', path: `/v1/sessions/${held.id}?wait=true` })
    await until('the old key is gone', async () => (await publicKids()).join() === kid, 60_000)
    await until(
      'a pod that has the new key alone',
      async () => (await annotations('assign-key-ids')).has(kid),
      60_000,
    )
  })
  t.same(kept.failed, [])
  t.ok(kept.opens > 3, `${kept.opens} opens`)
  t.match(await caller.kubectl('describe', 'configmap', name), /OldKeysRemoved/)
})

void t.test('a canary that crashes stops the roll-out, the pool goes on, and undo goes back', async (t) => {
  await untilPhase('done')
  const good = { ...echo, env: [{ name: 'ROUND', value: '2' }] }
  const bad = { ...echo, args: ['--no-such-option-of-node'], command: ['sh', '-c', 'exit 3'] }
  const canary = { rollout: { canary: { pods: 1, seconds: 5 } } }
  const { failed } = await underLoad(async () => {
    await caller.setPools(poolsOf(bad, canary))
    await untilPhase('stopped')
    await pause(3_000)
  })
  t.same(failed, [])
  const report = await rollout()
  t.match(report.current, { verdict: 'failed', reason: /exit code 3/ })
  t.match((await caller.client.pool(agentType)).body, { problem: { cause: 'canary' } })
  t.match(await caller.kubectl('describe', 'configmap', 'agent-pools'), /CanaryFailed/)

  const round3 = { ...echo, env: [{ name: 'ROUND', value: '3' }] }
  await caller.setPools(poolsOf(round3, canary))
  await until('seen', async () => (await rollout()).current.verdict !== 'failed')
  await untilPhase('done')
  const env = { GREENROOM_API_URL: bed.apiUrls[0] ?? '', GREENROOM_API_KEY: bed.apiKey }
  const undone = await runProgram('src/cli/greenroom.ts', ['rollout', 'undo', agentType], { env })
  t.match(undone, { code: 0, stdout: /^echo-agent: undone\./ })
  const rounds = async () =>
    new Set(
      (await pods()).map(
        ({ spec }) => spec?.containers[0]?.env?.find(({ name }) => name === 'ROUND')?.value ?? '',
      ),
    )
  await until('round 2 again', async () => [...(await rounds())].join() === '2', 90_000)
  await caller.setPools(poolsOf({ ...good, env: [{ name: 'ROUND', value: '4' }] }))
  await until('the next round', async () => [...(await rounds())].join() === '4', 90_000)
})
