import t from 'tap'
import { createKubeApi } from '../../bed/kubelet/kube-api.ts'
import { temporaryFolder } from '../../bed/processes/temporary-folder.ts'
import { until } from '../../bed/processes/until.ts'
import { startWebhookService } from '../../bed/replicas/webhook-service.ts'

/** A new version of the webhook is rolled out while pods are created: with failurePolicy Fail one failed call is a failed pod. */

t.setTimeout(240_000)
const folder = await temporaryFolder('rolling')
// Longer than the balancer takes to look.
const bed = await startWebhookService({
  folder: folder.path,
  replicas: 3,
  env: { GREENROOM_DRAIN_MS: '1000' },
})
const { plane, balancer, replicas, urls } = bed
const kube = await createKubeApi(plane.kubeconfigPath)
t.teardown(async () => {
  kube.close()
  await bed.stop()
  await folder.remove()
})

/** Enough to keep several connections of the API server busy. */
const lanes = 8
/** Between two restarts: every connection is used several times. */
const createsBetween = 150

const pod = {
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { generateName: 'storm-', labels: { 'agent-type': 'echo-agent' } },
  spec: { containers: [{ name: 'agent', image: 'greenroom:1' }] },
}

async function metricSum(name: string, labels: (text: string) => boolean = () => true): Promise<number> {
  const { stdout } = await plane.kubectl(['get', '--raw', '/metrics'])
  return stdout
    .split('\n')
    .filter((line) => line.startsWith(`${name}{`) && labels(line))
    .reduce((sum, line) => sum + Number(line.split(' ').at(-1)), 0)
}

const ours = (line: string) => line.includes('.agents.greenroom.dev"')
const notOk = (line: string) => ours(line) && !line.includes('code="200"')
const total = 'apiserver_admission_webhook_request_total'

void t.test(
  'three replicas are restarted in turn in a storm of creates, and no admission fails',
  async (t) => {
    const failures: string[] = []
    let created = 0
    let stopping = false
    const lane = async () => {
      while (!stopping) {
        const { status, body } = await kube.send({
          method: 'POST',
          path: '/api/v1/namespaces/ai-agents/pods',
          body: pod,
        })
        if (status === 201) created += 1
        else failures.push(`${status} ${(body as { message?: string }).message ?? ''}`)
      }
    }
    // Documents were written before a webhook ran that could judge them.
    const failedOpen = await metricSum('apiserver_admission_webhook_fail_open_count', ours)
    const notAnswered = await metricSum(total, notOk)
    const storm = Promise.all(Array.from({ length: lanes }, lane))
    const more = async () => {
      const from = created
      await until('more pods', () => failures.length > 0 || created >= from + createsBetween, 60_000)
    }
    await more()
    for (const replica of replicas) {
      const before = replica.pid()
      await replica.restart('SIGTERM')
      t.not(replica.pid(), before, `${replica.name} is another process`)
      await until('all replicas to be ready again', () => balancer.ready().length === replicas.length, 60_000)
      await more()
    }
    stopping = true
    await storm

    t.same(failures, [])
    t.equal(
      await metricSum('apiserver_admission_webhook_rejection_count', ours),
      0,
      'by the API server’s count',
    )
    t.equal(await metricSum('apiserver_admission_webhook_fail_open_count', ours), failedOpen)
    t.equal(await metricSum(total, notOk), notAnswered)
    const harden = await metricSum(total, (line) => line.includes('name="harden.agents.greenroom.dev"'))
    t.ok(harden >= created, `${harden} calls for ${created} pods`)
    for (const url of urls) t.ok(balancer.accepted(url) > 0, `${url} had its share`)
  },
)
