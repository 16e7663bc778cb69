import { declaredMetrics } from '../../../src/cli/declared-metrics.ts'
import { errorCatalogue } from '../../../src/error-catalogue.ts'
import { type ManifestSet, nameOf, ofKind } from '../manifest-set.ts'

/** Alerts and dashboards ask for metrics, labels and outcomes that are there. */

interface PrometheusRule {
  readonly spec: {
    readonly groups: readonly {
      readonly rules: readonly {
        readonly alert?: string
        readonly record?: string
        readonly expr: string
      }[]
    }[]
  }
}
export interface Dashboard {
  readonly uid: string
  readonly title: string
  readonly panels: readonly {
    readonly id: number
    readonly type: string
    readonly title: string
    readonly gridPos: { readonly x: number; readonly y: number; readonly w: number; readonly h: number }
    readonly targets: readonly {
      readonly refId: string
      readonly expr: string
      readonly legendFormat: string
    }[]
  }[]
}

const roles = await declaredMetrics()

/** Name of a metric → its labels. */
const labelsOf: ReadonlyMap<string, readonly string[]> = new Map(
  Object.values(roles).flatMap((metrics) => metrics.map(({ name, labels }) => [name, labels] as const)),
)

/** The dashboards of a set: file → Grafana's JSON. */
function dashboardsIn({ objects }: ManifestSet): readonly (readonly [string, Dashboard])[] {
  const found = objects.find(
    ({ kind, metadata }) => kind === 'ConfigMap' && metadata.name === 'greenroom-dashboard',
  )
  return Object.entries(found?.data ?? {}).map(([file, text]) => [file, JSON.parse(text) as Dashboard])
}

/** What Greenroom's alerts and dashboards ask for. */
function expressionsIn(set: ManifestSet): { readonly where: string; readonly expr: string }[] {
  const rules = rulesIn(set).map(({ of, alert, record, expr }) => ({
    where: `${of}: ${alert ?? record}`,
    expr,
  }))
  const panels = dashboardsIn(set).flatMap(([file, dashboard]) =>
    dashboard.panels.flatMap(({ title, targets }) =>
      targets.map(({ expr }) => ({ where: `${file}: ${title}`, expr })),
    ),
  )
  return [...rules, ...panels]
}

function rulesIn(set: ManifestSet) {
  return ofKind<PrometheusRule>(set, 'PrometheusRule').flatMap((rule) =>
    rule.spec.groups.flatMap(({ rules }) => rules.map((one) => ({ of: nameOf(rule), ...one }))),
  )
}

/** A series that a rule records, by the convention of Prometheus: level:metric:operations. */
const recordedName = /\b\w+:\w+:\w+\b/g

export function expressionsOfNoMetric(set: ManifestSet): string[] {
  const recorded = new Set(rulesIn(set).map(({ record }) => record))
  return expressionsIn(set).flatMap(({ where, expr }) => {
    const direct = expr.replaceAll(recordedName, '')
    const used = [...direct.matchAll(/\b(?:greenroom|agent)_(?!type\b)\w+/g)].map(([name]) => metricOf(name))
    const labels = new Set([...used.flatMap((name) => labelsOf.get(name) ?? []), 'le', 'job'])
    const asked = [
      ...[...expr.matchAll(/\bby \(([^)]*)\)/g)].flatMap(([, list = '']) => list.split(/,\s*/)),
      ...[...expr.matchAll(/([a-z_]+)(?:=~|!=|!~|=)"/g)].map(([, label = '']) => label),
    ]
    return [
      ...used.filter((name) => !labelsOf.has(name)).map((name) => `${where}: there is no metric ${name}`),
      ...(expr.match(recordedName) ?? [])
        .filter((name) => !recorded.has(name))
        .map((name) => `${where}: no rule records ${name}`),
      ...asked.filter((label) => !labels.has(label)).map((label) => `${where}: no label ${label}`),
      ...outcomesIn(expr)
        .filter((outcome) => !outcomes.some((known) => new RegExp(`^(?:${outcome})$`).test(known)))
        .map((outcome) => `${where}: no open ends as ${outcome}`),
    ]
  })
}

const outcomes = [...Object.keys(errorCatalogue), 'opened', 'replayed', 'cold']

function outcomesIn(expr: string): string[] {
  return [...expr.matchAll(/greenroom_open_seconds\w*\{[^}]*outcome=~?"([^"]*)"/g)].flatMap(([, list = '']) =>
    list.split('|'),
  )
}

/** Of a histogram's series, the histogram. */
function metricOf(series: string): string {
  const bare = series.replace(/_(?:bucket|count|sum)$/, '')
  return labelsOf.has(bare) ? bare : series
}

/** One series for each session would never end. */
export function labelsWithoutEnd(metrics = labelsOf): string[] {
  return [...metrics].flatMap(([name, labels]) =>
    labels.filter((label) => /session|pod|room|uid/.test(label)).map((label) => `${name} has label ${label}`),
  )
}
