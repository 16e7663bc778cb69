import { existsSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { text } from 'node:stream/consumers'
import { type Explanation, explainPod } from '../admission/explain/explain-pod.ts'
import { type PodToExplain, podsToExplain } from '../admission/explain/pods-in-document.ts'
import type { KubeClients } from '../cluster/kube-clients.ts'
import { readPod } from '../cluster/live-pods.ts'
import { readYamlDocuments } from '../domain/read-yaml.ts'
import { GreenroomError } from '../errors.ts'
import { contextOfCluster, contextOfFile, openCluster } from '../roles/policy-source.ts'
import { action } from './line/command-spec.ts'
import { exitCode } from './line/exit-code.ts'
import { serverOptions } from './line/shared-options.ts'
import { wrongArguments } from './line/wrong-arguments.ts'
import { clusterConfig } from './reach/cluster-config.ts'
import { textTable } from './text-table.ts'

interface ExplainArguments {
  readonly subject: string
  readonly namespace: string | undefined
  readonly policy: string | undefined
  readonly context: string | undefined
  readonly kubeconfig: string | undefined
}

const defaultNamespace = 'default'

/** One line of the report, or block of it. */
interface Explained extends Explanation {
  readonly subject: string
}

export const explain = action({
  summary: 'Say field by field what the policy makes of a pod, and why',
  about: 'Nothing is created.',
  arguments: [
    {
      name: 'FILE|POD',
      kind: 'file',
      help: 'YAML or JSON of pods, lists, reviews or workloads with a template, - for stdin; or a pod of the cluster: NAMESPACE/NAME, or NAME with -n',
    },
  ],
  options: {
    namespace: {
      type: 'string',
      short: 'n',
      value: 'NAMESPACE',
      help: `for documents that name none (${defaultNamespace} unless given)`,
    },
    policy: {
      type: 'string',
      value: 'FILE',
      help: "this policy instead of the cluster's; with a FILE no cluster is asked",
    },
    output: {
      type: 'string',
      short: 'o',
      value: 'FORM',
      words: ['table', 'json'],
      help: 'how it is printed',
    },
    json: { type: 'boolean', help: 'as -o json' },
    context: serverOptions.context,
    kubeconfig: serverOptions.kubeconfig,
  },
  exits: { 0: 'allowed, changed or not', 1: 'denied', 6: 'the cluster could not be read' },
  examples: [
    { line: 'greenroom explain pod.yaml --policy agent-policy.yaml', does: 'Without a cluster' },
    { line: 'greenroom explain ai-agents/echo-agent-abcde', does: 'A pod that runs' },
  ],
  async run({ words: [subject = ''], options }) {
    const { namespace, policy, context, kubeconfig, json, output } = options
    if (/\.(ya?ml|json)$/.test(subject) && !existsSync(subject))
      throw wrongArguments(`There is no file ${subject}.`)
    const explained = await explainAll({ subject, namespace, policy, context, kubeconfig })
    const asJson = json === true || output === 'json'
    process.stdout.write(
      asJson ? `${JSON.stringify(explained, undefined, 2)}\n` : `${explained.map(inWords).join('\n')}`,
    )
    return explained.some(({ decision }) => decision === 'denied') ? exitCode.found : exitCode.done
  },
})

async function explainAll(wanted: ExplainArguments): Promise<Explained[]> {
  const { context, kubeconfig } = wanted
  const config = clusterConfig({ kubeconfig })
  let opened: KubeClients | undefined
  const cluster = async () => (opened ??= await openCluster(config, context))
  try {
    const pods = await podsOf(wanted, cluster)
    const inForce = wanted.policy
      ? await contextOfFile(wanted.policy)
      : await contextOfCluster(await cluster(), config)
    return pods.map(({ subject, pod, username, ...found }) => {
      const namespace = found.namespace ?? defaultNamespace
      return { subject, ...explainPod(pod, { namespace, inForce, username }) }
    })
  } finally {
    opened?.close()
  }
}

async function podsOf(
  { subject, namespace = defaultNamespace }: ExplainArguments,
  cluster: () => Promise<KubeClients>,
): Promise<readonly PodToExplain[]> {
  if (subject !== '-' && !existsSync(subject)) {
    const [first = '', name] = subject.split('/')
    const pod = name === undefined ? { namespace, name: first } : { namespace: first, name }
    const { transport } = await cluster()
    return podsToExplain(withKind(await readPod(transport, pod.namespace, pod.name)))
  }
  const content = subject === '-' ? await text(process.stdin) : await readFile(subject, 'utf8')
  const reading = readYamlDocuments(content)
  if (!reading.ok) throw wrongArguments(`${subject}: ${reading.problem}.`)
  const found = reading.values.flatMap((document) => podsToExplain(document, namespace))
  if (found.length === 0) throw new GreenroomError('GRN_NO_POD', `${subject} holds no pod.`)
  return found
}

/** The API server leaves kind out of the items of lists, and older ones out of answers. */
function withKind(pod: unknown): object {
  return { kind: 'Pod', ...(pod as object) }
}

function inWords({ subject, namespace, agentType, policyVersion, ...found }: Explained): string {
  const { decision, changes, violations } = found
  const head = `${subject} in ${namespace}: ${decision} (agent type ${agentType}, policy ${policyVersion})`
  const blocks = [head]
  if (violations.length > 0) {
    blocks.push(
      textTable([
        ['  DENIED FOR', 'FOUND', 'ALLOWED', 'RULE', 'HOW TO FIX'],
        ...violations.map(({ path, found: what, allowed, rule, code, fix }) => [
          `  ${path}`,
          what,
          allowed,
          `${rule} (${code})`,
          fix,
        ]),
      ]),
    )
  }
  if (changes.length > 0) {
    blocks.push(
      textTable([
        ['  FIELD', 'WAS', 'BECOMES', 'RULE'],
        ...changes.map(({ path, was, becomes, rule }) => [`  ${path}`, was, becomes, rule]),
      ]),
    )
    const reasons = new Map(changes.map(({ rule, why }) => [`${rule}\n${why}`, [`  ${rule}`, why]]))
    blocks.push(textTable([['  RULE', 'WHY'], ...reasons.values()]))
  }
  return `${blocks.join('\n\n')}\n`
}
