import { existsSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { text } from 'node:stream/consumers'
import { parseArgs } from 'node:util'
import { type Explanation, explainPod } from '../admission/explain/explain-pod.ts'
import { type PodToExplain, podsToExplain } from '../admission/explain/pods-in-document.ts'
import type { KubeClients } from '../cluster/kube-clients.ts'
import { readPod } from '../cluster/live-pods.ts'
import { loadConfig } from '../config.ts'
import { readYamlDocuments } from '../domain/read-yaml.ts'
import { GreenroomError } from '../errors.ts'
import { contextOfCluster, contextOfFile, openCluster } from '../roles/policy-source.ts'
import type { CommandProgram } from './command.ts'
import { textTable } from './text-table.ts'

const usage = `usage: explain FILE|POD [-n NAMESPACE] [--policy FILE] [--json]
Says field by field what the policy makes of a pod, and why. Nothing is created.
FILE           YAML or JSON, one or many documents: pods, lists, reviews, workloads with a template; - for stdin
POD            NAMESPACE/NAME, or NAME with -n, of a pod in the cluster
-n NAMESPACE   for documents that name none (default: default)
--policy FILE  this policy instead of the cluster's; with a FILE no cluster is asked
Ends with 0: allowed, changed or not; 1: denied; 2: it could not be judged, or the arguments are wrong.`

interface ExplainArguments {
  readonly subject: string
  readonly namespace: string | undefined
  readonly policy: string | undefined
  readonly json: boolean
}

const notJudgedCode = 2
const defaultNamespace = 'default'

/** One line of the report, or block of it. */
interface Explained extends Explanation {
  readonly subject: string
}

export const explain: CommandProgram = { usage, run: runExplain }

/** The command: prints the report on stdout and resolves with the exit code. */
async function runExplain(argv: readonly string[]): Promise<number> {
  try {
    const wanted = readArguments(argv)
    const explained = await explainAll(wanted)
    process.stdout.write(
      wanted.json ? `${JSON.stringify(explained, undefined, 2)}\n` : `${explained.map(inWords).join('\n')}`,
    )
    return explained.some(({ decision }) => decision === 'denied') ? 1 : 0
  } catch (error) {
    if (!(error instanceof GreenroomError)) throw error
    process.stderr.write(`${error.code}: ${error.message} ${error.remedy}\n`)
    return notJudgedCode
  }
}

async function explainAll(wanted: ExplainArguments): Promise<Explained[]> {
  const config = loadConfig('explain')
  let opened: KubeClients | undefined
  const cluster = async () => (opened ??= await openCluster(config))
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
  if (!reading.ok) throw wrong(`${subject}: ${reading.problem}`)
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

function wrong(problem: string): GreenroomError {
  return new GreenroomError('GRN_INVALID_CONFIG', `${problem}\n${usage}\n`)
}

function readArguments(argv: readonly string[]): ExplainArguments {
  try {
    const { values, positionals } = parseArgs({
      args: [...argv],
      allowPositionals: true,
      options: {
        namespace: { type: 'string', short: 'n' },
        policy: { type: 'string' },
        json: { type: 'boolean', default: false },
      },
    })
    const [subject] = positionals
    if (subject === undefined || positionals.length > 1) throw new TypeError('exactly one FILE or POD')
    if (/\.(ya?ml|json)$/.test(subject) && !existsSync(subject))
      throw new TypeError(`there is no file ${subject}`)
    return { subject, namespace: values.namespace, policy: values.policy, json: values.json }
  } catch (error) {
    if (error instanceof GreenroomError) throw error
    throw wrong(error instanceof Error ? error.message : String(error))
  }
}
