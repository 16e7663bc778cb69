import { label } from '../../domain/names.ts'
import type { Container, EnvVar, Volume } from '../pod/pod.ts'
import { sameValue } from '../pod/same-value.ts'
import { type EffectiveRow, probeFields } from '../policy/effective-row.ts'
import type { AdmissionContext } from './admission-context.ts'
import { isCodeVariable, leadsToCodeVariable, noCodeVariable } from './code-variables.ts'
import { tokenSources } from './component-sources.ts'
import { namesIn } from './env-order.ts'
import { startedContainers } from './field-path.ts'
import { type Finding, finding, type GreenroomRule, podsOfRows } from './greenroom-rule.ts'
import { isPoolPod, secretFields, secretReferencesOf } from './pod-secrets.ts'

/**
 * Rule images decides which programs are near a Secret. This one keeps an allowed image to what it was made for: with a
 * command of the author's it would print its environment. Debug containers are not judged here: adding one is a right of
 * its own (pods/ephemeralcontainers), as exec is.
 */
export const commands: GreenroomRule = {
  rule: 'commands',
  title: 'What runs beside a Secret',
  fields: [
    `metadata.labels[${label.pool}]`,
    `${startedContainers}.{command,args,workingDir,env[*],volumeMounts[*].mountPath,volumeMounts[*].subPathExpr}`,
    `${startedContainers}.{terminationMessagePath,terminationMessagePolicy,envFrom[*].prefix,envFrom[*].configMapRef.name}`,
    `${startedContainers}.{livenessProbe,readinessProbe,startupProbe,lifecycle.postStart,lifecycle.preStop}.exec`,
    'spec.volumes[*]',
    ...secretFields,
  ],
  allowed:
    "in a pod that holds a Secret and is not of a pool: the image's own command or one of the row's `commands`; no `workingDir`, no handler that runs a program, " +
    'no `subPathExpr` with other variables than fields of the pod, ' +
    'no variable by which a program loads code, no ConfigMap in `envFrom` without a prefix of its own, no message from the log or from ' +
    'another file than `/dev/termination-log`, and no volumes whose content the author writes (downward API, claims, CSI, images)',
  appliesTo: podsOfRows,
  mode: 'always',
  mutated: 'no',
  why: 'Everybody who may create pods may name the agent type, and gets its Secret with the label.',
  fix: "Leave it out, name it in the row's commands, or give Secrets to pods of pools only (secretsFor: pools).",
  judge(context) {
    const { containers, pod, row } = context
    if (!row || row.secretsFor === 'pools' || isPoolPod(context) || !holdsSecret(context, row)) return []
    const found: Finding[] = []
    const authored = volumesOfAuthor(pod.spec.volumes)
    for (const { container, kind, path } of containers) {
      if (kind === 'ephemeral') continue
      addWords(container, row, path, found)
      addHandlers(container, path, found)
      addLoading(container, row, path, found)
      addMounts(container, authored, path, found)
      addExpressions(container, path, found)
      addMessages(container, path, found)
    }
    return found
  },
}

/** The row's own go to the agent container alone. Secrets that only pull images reach no process. */
function holdsSecret(context: AdmissionContext, { secretEnv }: EffectiveRow): boolean {
  return (
    (secretEnv.length > 0 && context.agentContainer !== undefined) || secretReferencesOf(context).length > 0
  )
}

function addWords(
  { command = [], args = [], workingDir = '' }: Container,
  { commands: listed }: EffectiveRow,
  at: string,
  found: Finding[],
): void {
  const isOwn = command.length === 0 && args.length === 0
  const isListed = (): boolean =>
    listed.some((one) => sameValue([one.command ?? [], one.args ?? []], [command, args]))
  if (!isOwn && !isListed()) {
    const allowed = ["the image's own", ...listed.map((one) => JSON.stringify(one))].join(', or ')
    found.push(finding(`${at}.${command.length > 0 ? 'command' : 'args'}`, { command, args }, allowed))
  }
  if (workingDir !== '') found.push(finding(`${at}.workingDir`, workingDir, "unset: the image's own"))
}

function addHandlers(container: Container, at: string, found: Finding[]): void {
  const { lifecycle } = container
  const refuse = (field: string): void => void found.push(finding(`${at}.${field}.exec`, 'set', 'unset'))
  for (const field of probeFields) if (container[field]?.exec !== undefined) refuse(field)
  if (lifecycle?.postStart?.exec !== undefined) refuse('lifecycle.postStart')
  if (lifecycle?.preStop?.exec !== undefined) refuse('lifecycle.preStop')
}

function addLoading({ env, envFrom }: Container, row: EffectiveRow, at: string, found: Finding[]): void {
  for (const entry of env ?? []) {
    if (!isCodeVariable(entry, row)) continue
    found.push(finding(`${at}.env[${entry.name}]`, entry.name, noCodeVariable))
  }
  // The keys become names of variables, and a review cannot see them.
  for (const [index, { configMapRef, prefix = '' }] of envFrom?.entries() ?? []) {
    if (!configMapRef || !leadsToCodeVariable(prefix)) continue
    found.push(finding(`${at}.envFrom[${index}].configMapRef`, configMapRef.name, noConfigMap))
  }
}

const noConfigMap = 'a prefix such as APP_, with which no variable begins by which a program loads code'

/** At no path: programs take code from any place that a variable or a file of settings names. */
function addMounts(
  { volumeMounts }: Container,
  authored: ReadonlySet<string>,
  at: string,
  found: Finding[],
): void {
  for (const [index, { name, mountPath }] of volumeMounts?.entries() ?? []) {
    if (!authored.has(name)) continue
    const allowed = 'no volume whose content the author of the pod decides'
    found.push(finding(`${at}.volumeMounts[${index}].mountPath`, mountPath, allowed))
  }
}

/** The names. Of two volumes with one name the first counts, as Kubernetes names it when it refuses them. */
function volumesOfAuthor(volumes: readonly Volume[] = []): ReadonlySet<string> {
  const seen = new Set<string>()
  const authored = new Set<string>()
  for (const volume of volumes) {
    if (!seen.has(volume.name) && isOfAuthor(volume)) authored.add(volume.name)
    seen.add(volume.name)
  }
  return authored
}

/** Kinds of volumes whose content needs another right than to create pods, or that begin empty. */
const othersContent: ReadonlySet<string> = new Set(['name', 'configMap', 'secret', 'emptyDir', 'projected'])

/**
 * True where somebody who may only create pods decides what is in the volume, as by an annotation of the pod. They do not decide
 * the namespace's name, which stands beside each token of a ServiceAccount.
 */
function isOfAuthor(volume: Volume): boolean {
  return (
    Object.keys(volume).some((kind) => !othersContent.has(kind)) ||
    (volume.projected?.sources ?? []).some(
      ({ downwardAPI }) => downwardAPI !== undefined && !sameValue(downwardAPI, tokenSources.downwardAPI),
    )
  )
}

/**
 * Kubernetes puts the values of variables into the path. The path becomes the name of a directory, and an Event quotes one that
 * is refused. So only a variable that is a field of the pod may stand there.
 */
function addExpressions({ env = [], volumeMounts = [] }: Container, at: string, found: Finding[]): void {
  if (!volumeMounts.some(({ subPathExpr }) => subPathExpr)) return
  const known = fieldsOfPod(env)
  for (const [index, { subPathExpr = '' }] of volumeMounts.entries()) {
    if (namesIn(subPathExpr).every((name) => known.has(name))) continue
    const allowed = 'no $(NAME) but of a variable that is a field of the pod'
    found.push(finding(`${at}.volumeMounts[${index}].subPathExpr`, subPathExpr, allowed))
  }
}

/** Where Kubernetes reads the last message of a container from, unless the pod says otherwise. */
const messagePath = '/dev/termination-log'

/**
 * The message stands in the pod's status, which more people may read than its log. It is not the log's tail, which may hold what
 * a program prints of its variables, nor a file of the program's. Kubernetes mounts an empty file over what stands at the path.
 */
function addMessages(
  { terminationMessagePath: path = '', terminationMessagePolicy: policy = '' }: Container,
  at: string,
  found: Finding[],
): void {
  if (path !== '' && path !== messagePath)
    found.push(finding(`${at}.terminationMessagePath`, path, messagePath))
  if (policy !== '' && policy !== 'File')
    found.push(finding(`${at}.terminationMessagePolicy`, policy, 'File'))
}

/** The variables whose only entry is a field of the pod: of several entries the last one would win. */
function fieldsOfPod(env: readonly EnvVar[]): ReadonlySet<string> {
  const entries = Map.groupBy(env, ({ name }) => name)
  return new Set(
    [...entries]
      .filter(([, [entry, ...others]]) => entry?.valueFrom?.fieldRef !== undefined && others.length === 0)
      .map(([name]) => name),
  )
}
