import { readFileSync, writeFileSync } from 'node:fs'
import { type PodRoad, podRoads } from '../admission/review/pod-roads.ts'
import type { GreenroomRule, PodKind } from '../admission/rules/greenroom-rule.ts'
import { greenroomRules } from '../admission/rules/greenroom-rules.ts'
import { type FieldsWithReason, freeFields, refusedFields } from '../admission/rules/pod-fields.ts'
import type {
  ExemptPods,
  PodSecurityCheck,
  PodSecurityRules,
} from '../admission/standards/pod-security-check.ts'
import { newestMinor, podSecurityChecks } from '../admission/standards/pod-security-standards.ts'

/** Writes the tables of rules into `docs/admission.md`, between the markers: `node src/cli/admission-page.ts`. */

const markers = { start: '<!-- checks -->', end: '<!-- /checks -->' } as const

const greenroomHeads = {
  rule: 'rule',
  title: 'title',
  asked: 'fields: what they may hold',
  pods: 'pods',
  mode: 'mode',
  mutated: 'set by the webhook',
  why: 'why',
} as const

const podSecurityHeads = {
  rule: 'rule',
  title: 'title',
  standard: 'standard',
  releases: 'Kubernetes',
  asked: 'what is asked',
  mode: 'mode',
  mutated: 'set by the webhook',
} as const

const roadHeads = { road: 'road', operation: 'operation', writes: 'writes', judged: 'judged' } as const

const judged: Readonly<Record<PodRoad['judged'], string>> = {
  pod: 'the pod, by every rule',
  metadata: '`label-ownership`, and the metadata of `own-pod-changes`',
  nothing: 'not asked about',
}

const fieldHeads = { state: 'free or refused', asked: 'fields', why: 'what they are' } as const

function fieldLine(state: 'free' | 'refused') {
  return ({ fields, why }: FieldsWithReason) => ({ state, asked: quoted(fields), why })
}

/** The page with the tables of today between its markers; the rest stays. Throws if the markers are missing. */
export function withChecks(page: string): string {
  const start = page.indexOf(markers.start)
  const end = page.indexOf(markers.end)
  if (start < 0 || end < start) {
    throw new Error(`docs/admission.md has no ${markers.start} … ${markers.end}: put the two lines back`)
  }
  return `${page.slice(0, start + markers.start.length)}\n${checksTable()}\n${page.slice(end)}`
}

/** Every rule as Markdown: Greenroom's own, then restricted, then baseline. */
export function checksTable(): string {
  return [
    '<!-- Generated from src/admission by `node src/cli/admission-page.ts`; a test holds the two together. -->',
    '',
    "### Greenroom's own",
    '',
    '`{a,b}` stands for either, `[*]` for each element, `[x*]` for those whose name begins with x, `containers[agent]` for the',
    'agent container: the one named `agent`, else the only one.',
    '',
    ...table(greenroomHeads, greenroomRules.map(greenroomLine)),
    '',
    '### Pod Security Standards',
    '',
    `Up to Kubernetes 1.${newestMinor}, which is \`latest\`.`,
    '',
    ...table(podSecurityHeads, [...inStandard('restricted'), ...inStandard('baseline')]),
    '',
    '### Roads to a pod',
    '',
    "Every resource by which the API can write a pod. `test/integration/admission-identity.test.ts` compares this list with the API server's",
    'own discovery, and `test/admission/review/pod-roads.test.ts` with the configurations of the webhook.',
    '',
    ...table(
      roadHeads,
      podRoads.map((road) => ({ ...road, road: `\`${road.road}\``, judged: judged[road.judged] })),
    ),
    '',
    '### Fields that no rule judges',
    '',
    'A field of a pod that stands neither in the tables above nor here is unknown, and `unknown-fields` refuses it.',
    '',
    ...table(fieldHeads, [...freeFields.map(fieldLine('free')), ...refusedFields.map(fieldLine('refused'))]),
  ].join('\n')
}

function table<K extends string>(
  heads: Readonly<Record<K, string>>,
  lines: readonly Readonly<Record<K, string>>[],
): string[] {
  const keys = Object.keys(heads) as K[]
  const row = (cells: readonly string[]): string => `| ${cells.map(cell).join(' | ')} |`
  return [
    row(keys.map((key) => heads[key])),
    `|${'---|'.repeat(keys.length)}`,
    ...lines.map((line) => row(keys.map((key) => line[key]))),
  ]
}

function quoted(fields: readonly string[]): string {
  return fields.map((field) => `\`${field}\``).join(', ')
}

/** In a table a pipe would end the cell. */
function cell(text: string): string {
  return text.replaceAll('|', '\\|').replaceAll('\n', ' ')
}

type PodSecurityLine = Readonly<Record<keyof typeof podSecurityHeads, string>>

function inStandard(standard: PodSecurityCheck['standard']): PodSecurityLine[] {
  return podSecurityChecks.filter((check) => check.standard === standard).map(podSecurityLine)
}

function greenroomLine(rule: GreenroomRule): Readonly<Record<keyof typeof greenroomHeads, string>> {
  const { title, fields, allowed, appliesTo, mode, mutated, why } = rule
  return {
    rule: `\`${rule.rule}\``,
    title,
    asked: `${quoted(fields)}: ${allowed}`,
    pods: podsOf(appliesTo),
    mode: mode === 'settable' ? '`enforce`, `warn` or `audit`' : 'always enforced',
    mutated,
    why,
  }
}

const kinds = {
  component: "Greenroom's components",
  'unknown-type': 'pods of an unknown type',
  shaped: 'pods of a row',
  unshaped: 'Windows pods too',
} as const satisfies Record<PodKind, string>

function podsOf(appliesTo: readonly PodKind[]): string {
  const all = Object.keys(kinds) as PodKind[]
  if (appliesTo.length === all.length) return 'all'
  const missing = all.filter((kind) => !appliesTo.includes(kind))
  return missing.length === 1
    ? `all but ${missing.map((kind) => kinds[kind]).join()}`
    : all
        .filter((kind) => appliesTo.includes(kind))
        .map((kind) => kinds[kind])
        .join(', ')
}

function podSecurityLine(check: PodSecurityCheck): PodSecurityLine {
  const { rule, title, standard, fields, versions, mutated, reference } = check
  return {
    rule: `\`${rule}\``,
    title,
    standard,
    releases: releasesOf(check),
    asked: `${quoted(fields)}: ${versions.map((rules, index) => askedSince(rules, versions[index - 1])).join('. ')}. (${reference})`,
    mode: 'always enforced',
    mutated,
  }
}

/** The check that overrides this one takes its place in `restricted`, which is what Greenroom enforces. */
function releasesOf({ rule, versions }: PodSecurityCheck): string {
  const since = `since 1.${versions[0].since}`
  const stronger = podSecurityChecks.filter(({ overrides }) => overrides?.rule === rule)
  if (stronger.length === 0) return since
  const names = stronger.map((check) => `\`${check.rule}\` since 1.${check.versions[0].since}`).join(', ')
  return `${since}; in restricted ${names}`
}

const exempt: Readonly<Record<ExemptPods, string>> = {
  windows: 'not asked of Windows pods',
  'user-namespace': 'not asked of pods with `hostUsers: false`',
}

/** What a version changes: the allowed values, or who is exempt. */
function askedSince(rules: PodSecurityRules, before: PodSecurityRules | undefined): string {
  if (!before) return rules.allowed
  const changes = [
    ...(rules.allowed === before.allowed ? [] : [added(rules.allowed, before.allowed)]),
    ...(rules.except && rules.except !== before.except ? [exempt[rules.except]] : []),
  ]
  return `Since 1.${rules.since} ${changes.join(', ')}`
}

/** `also c` where a list `a, b` has become `a, b, c`; else the new text. */
function added(after: string, before: string): string {
  const start = `${before}, `
  return after.startsWith(start) ? `also ${after.slice(start.length)}` : after
}

if (import.meta.main) {
  const page = new URL('../../docs/admission.md', import.meta.url)
  writeFileSync(page, withChecks(readFileSync(page, 'utf8')))
}
