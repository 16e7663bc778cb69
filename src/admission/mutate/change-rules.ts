import { annotation, label } from '../../domain/names.ts'
import { shown } from '../pod/violation.ts'
import { tokenVolumePrefix } from '../rules/expected-fields.ts'
import { type Edit, isMembers, nameOf } from './pod-edits.ts'

/**
 * Why the mutator changes what it changes: a table from fields to rules. A change that no line of it explains is a
 * mistake of ours, and a test over random pods finds it. A new kind of mutation is a new line here.
 */

interface ChangeRule {
  /** Of the same set as the rules of violations: a metric label. */
  readonly rule: string
  /** One sentence. */
  readonly why: string
}

/** One field that the policy changes. Never holds the value of an env variable. */
export interface Change extends ChangeRule {
  /** `spec.containers[agent].securityContext.runAsUser`: elements of lists by name. */
  readonly path: string
  readonly was: string
  readonly becomes: string
}

/** What stands in a change that no line explains. */
export const unexplained: ChangeRule = {
  rule: 'unexplained',
  why: 'Greenroom has no reason on record for this; please report it.',
}

const securityContext = {
  rule: 'security-context',
  why: 'Pod Security Standard restricted: an agent gets no rights on its node.',
}
const userIds = { rule: 'user-ids', why: 'Agents run as the user and group that the policy gives them.' }
const readOnlyRoot = {
  rule: 'read-only-root',
  why: 'An agent writes nowhere but to the volumes made for that.',
}
const resources = {
  rule: 'resources',
  why: "The row of the agent type, or its sidecars', decides what a container may use.",
}
const probes = { rule: 'probes', why: 'The row of the agent type says how the agent is looked at.' }
const writablePaths = {
  rule: 'writable-paths',
  why: 'The root file system is read-only: what an agent may write to is a volume of bounded size.',
}
const token = {
  rule: 'service-account-token',
  why: 'Agents do not talk to the API server, so they carry no token for it.',
}
const priority = { rule: 'priority-class', why: 'The row of the agent type names the priority class.' }

/** The names of volumes that Greenroom makes begin like this. */
const ownVolumes = 'greenroom-*'

/** By container, below `spec.containers[*]` and its like. `*` stands for one segment, or for the rest of one. */
const containerRules: Readonly<Record<string, ChangeRule>> = {
  'securityContext/runAsUser': userIds,
  'securityContext/runAsGroup': userIds,
  'securityContext/readOnlyRootFilesystem': readOnlyRoot,
  'securityContext/*': securityContext,
  'resources/*/*': resources,
  livenessProbe: probes,
  readinessProbe: probes,
  startupProbe: probes,
  'env/GREENROOM_*': {
    rule: 'injected-env',
    why: 'With these the agent knows its pod and checks who gives it work; they are always what Greenroom sets.',
  },
  'env/*': {
    rule: 'injected-env',
    why: 'The row of the agent type gives it: a secret by reference, or a default for what the pod leaves out.',
  },
  [`volumeMounts/${ownVolumes}`]: writablePaths,
  [`volumeMounts/${tokenVolumePrefix}*`]: token,
}

const podRules: Readonly<Record<string, ChangeRule>> = {
  [`metadata/labels/${label.app}`]: {
    rule: 'app-label',
    why: 'An agent carries the app label of its row where it has none.',
  },
  [at('metadata/annotations', annotation.policyVersion)]: {
    rule: 'policy-version',
    why: 'Notes which version of the policy shaped the pod.',
  },
  [at('metadata/annotations', annotation.assignKeyIds)]: {
    rule: 'assign-keys',
    why: 'Notes which public keys the agent was given.',
  },
  'spec/securityContext/runAsUser': userIds,
  'spec/securityContext/runAsGroup': userIds,
  'spec/securityContext/fsGroup': userIds,
  'spec/securityContext/*': securityContext,
  'spec/resources': {
    rule: 'resources',
    why: 'Resources of the whole pod would go around those of its row.',
  },
  'spec/automountServiceAccountToken': token,
  'spec/serviceAccountName': {
    rule: 'service-account-name',
    why: 'The row of the agent type names the ServiceAccount.',
  },
  'spec/terminationGracePeriodSeconds': {
    rule: 'grace-period',
    why: 'The row of the agent type says how long an agent has to end its session.',
  },
  'spec/affinity/*': {
    rule: 'node-affinity',
    why: 'Agents run on the nodes that the policy names: each alternative of the pod gets its terms.',
  },
  'spec/tolerations/*': { rule: 'tolerations', why: 'The nodes for agents are tainted against all others.' },
  'spec/topologySpreadConstraints/*': {
    rule: 'topology-spread',
    why: 'Agents of a type are spread, so that a node that is lost takes few of them.',
  },
  'spec/runtimeClassName': {
    rule: 'runtime-class',
    why: 'The row of the agent type names the runtime class.',
  },
  'spec/priorityClassName': priority,
  'spec/priority': priority,
  'spec/preemptionPolicy': priority,
  [`spec/volumes/${ownVolumes}`]: writablePaths,
  [`spec/volumes/${tokenVolumePrefix}*`]: token,
  'spec/volumes/*/emptyDir': {
    rule: 'empty-dir-size',
    why: 'A volume without a limit can fill the disk of its node.',
  },
}

interface Node {
  readonly exact: Map<string, Node>
  /** In the order of the table. The prefix '' takes every segment. */
  readonly prefixed: [string, Node][]
  rule?: ChangeRule
}

const tree = plant()

function plant(): Node {
  const root = newNode()
  for (const [pattern, rule] of Object.entries(podRules)) put(root, pattern, rule)
  for (const list of ['containers', 'initContainers', 'ephemeralContainers']) {
    for (const [pattern, rule] of Object.entries(containerRules)) put(root, `spec/${list}/*/${pattern}`, rule)
  }
  return root
}

function newNode(): Node {
  return { exact: new Map(), prefixed: [] }
}

function put(root: Node, pattern: string, rule: ChangeRule): void {
  let node = root
  for (const segment of pattern.split('/').map((part) => part.replaceAll('~1', '/'))) {
    let next = segment.endsWith('*')
      ? node.prefixed.find(([prefix]) => prefix === segment.slice(0, -1))?.[1]
      : node.exact.get(segment)
    if (!next) {
      next = newNode()
      if (segment.endsWith('*')) node.prefixed.push([segment.slice(0, -1), next])
      else node.exact.set(segment, next)
    }
    node = next
  }
  node.rule = rule
}

/** A key with a slash, as one segment of a pattern. */
function at(folder: string, key: string): string {
  return `${folder}/${key.replaceAll('/', '~1')}`
}

function childOf(node: Node, segment: string): Node | undefined {
  const exact = node.exact.get(segment)
  if (exact) return exact
  for (const [prefix, next] of node.prefixed) if (segment.startsWith(prefix)) return next
  return undefined
}

/** What an edit does, field by field: an object that is added as a whole is taken apart as far as the table goes. */
export function changesOf(edits: readonly Edit[]): Change[] {
  const changes: Change[] = []
  for (const edit of edits) {
    visit(edit.place, edit, nodeAt(edit.place), (place, was, becomes, { rule, why }) => {
      const path = fieldPath(place)
      changes.push({ path, was: shownAt(place, was), becomes: shownAt(place, becomes), rule, why })
    })
  }
  return changes
}

/** Names of the rules that the edits obey, each once. Without the fields: this is done for every pod. */
export function rulesOf(edits: readonly Edit[]): string[] {
  const rules = new Set<string>()
  for (const { place, was, becomes } of edits) collectRules(nodeAt(place), becomes ?? was, rules)
  return [...rules]
}

function collectRules(node: Node | undefined, value: unknown, rules: Set<string>): void {
  if (!node || node.rule) {
    rules.add((node?.rule ?? unexplained).rule)
    return
  }
  const parts = typeof value === 'object' && value !== null ? Object.keys(value) : []
  if (parts.length === 0) rules.add(unexplained.rule)
  for (const key of parts) {
    const part = (value as Readonly<Record<string, unknown>>)[key]
    const segment = Array.isArray(value) ? (nameOf(part) ?? key) : key
    collectRules(childOf(node, segment), part, rules)
  }
}

/** Where the table has its line for a place, or gets to on the way there. */
function nodeAt(place: readonly string[]): Node | undefined {
  let node: Node | undefined = tree
  for (const segment of place) {
    node = childOf(node, segment)
    if (!node || node.rule) return node
  }
  return node
}

type OnField = (place: readonly string[], was: unknown, becomes: unknown, rule: ChangeRule) => void

function visit(
  place: readonly string[],
  { was, becomes }: Pick<Edit, 'was' | 'becomes'>,
  node: Node | undefined,
  onField: OnField,
): void {
  const value = becomes ?? was
  const parts = node && !node.rule ? partsOf(value) : []
  if (parts.length === 0) return onField(place, was, becomes, node?.rule ?? unexplained)
  for (const [segment, part] of parts) {
    const next = becomes === undefined ? { was: part, becomes: undefined } : { was: undefined, becomes: part }
    visit([...place, segment], next, node && childOf(node, segment), onField)
  }
}

function partsOf(value: unknown): readonly (readonly [string, unknown])[] {
  if (Array.isArray(value)) return value.map((part, index) => [nameOf(part) ?? String(index), part] as const)
  return isMembers(value) ? Object.entries(value) : []
}

/** A name longer than any that Kubernetes takes is cut: it comes from whoever wrote the pod. */
const longestSegment = 64

function fieldPath(place: readonly string[]): string {
  return place.reduce((path, segment, index) => {
    const short = segment.length > longestSegment ? `${segment.slice(0, longestSegment)}…` : segment
    if (index === 0) return short
    // Lists stand below `spec` or `metadata`, and below a container, which may itself have any name.
    const isKey = (index === 2 || index === 4) && keyed.has(place[index - 1] ?? '')
    return isKey || !/^[A-Za-z]\w*$/.test(short) ? `${path}[${short}]` : `${path}.${short}`
  }, '')
}

/** Members of these are known by key or name, not by field. */
const keyed: ReadonlySet<string> = new Set([
  'containers',
  'initContainers',
  'ephemeralContainers',
  'volumes',
  'volumeMounts',
  'env',
  'labels',
  'annotations',
])

const hidden = '(hidden)'

/** Of an env variable only where its value comes from: `spec`, `containers`, name, `env`, name, then its fields. */
function shownAt(place: readonly string[], value: unknown): string {
  if (value === undefined || place[3] !== 'env') return shown(value)
  if (place.length > 5) return place[5] === 'valueFrom' ? shown(value) : hidden
  return isMembers(value) && isMembers(value.valueFrom) ? shown(value.valueFrom) : hidden
}

/** One line for people. */
export function describeChange({ path, was, becomes, rule, why }: Change): string {
  return `${path}: was ${was}, becomes ${becomes}. ${why} (rule ${rule})`
}
