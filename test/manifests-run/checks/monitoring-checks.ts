import { Registry } from 'prom-client'
import { builtInPolicy } from '../../../src/admission/rules/check-policy.ts'
import { createCertificateMetrics } from '../../../src/certificates/certificate-metrics.ts'
import { errorCatalogue } from '../../../src/error-catalogue.ts'
import { createMetrics } from '../../../src/metrics.ts'
import { registerPolicyMetrics } from '../../../src/webhook/policy-metrics.ts'
import { createWebhookMetrics } from '../../../src/webhook/webhook-metrics.ts'
import { textOf } from '../documents.ts'
import { type ManifestSet, nameOf, ofKind } from '../manifest-set.ts'

/** Alerts and the dashboard ask for metrics, labels and outcomes that are there. */

interface PrometheusRule {
  readonly spec: {
    readonly groups: readonly {
      readonly rules: readonly {
        readonly alert: string
        readonly expr: string
        readonly annotations: Readonly<Record<string, string>>
      }[]
    }[]
  }
}
interface Dashboard {
  readonly panels: readonly {
    readonly title: string
    readonly targets: readonly { readonly expr: string }[]
  }[]
}

/** Name of a metric → its labels. */
export function declaredMetrics(): ReadonlyMap<string, readonly string[]> {
  const webhook = new Registry()
  createWebhookMetrics(webhook)
  createCertificateMetrics(webhook)
  registerPolicyMetrics({ registry: webhook, policy: () => builtInPolicy, status: () => ({}) })
  const all = [createMetrics(new Registry()).registry, webhook].flatMap((registry) =>
    registry.getMetricsAsArray(),
  )
  return new Map(
    all.map((metric) => [
      metric.name,
      'labelNames' in metric ? (metric.labelNames as readonly string[]) : [],
    ]),
  )
}

/** What Greenroom's alerts and dashboards ask for. */
export function expressionsIn(set: ManifestSet): { readonly where: string; readonly expr: string }[] {
  const alerts = ofKind<PrometheusRule>(set, 'PrometheusRule').flatMap((rule) =>
    rule.spec.groups.flatMap(({ rules }) =>
      rules.map(({ alert, expr }) => ({ where: `${nameOf(rule)}: ${alert}`, expr })),
    ),
  )
  const text = textOf(set, 'greenroom-dashboard', 'greenroom.json')
  const panels = text === undefined ? [] : (JSON.parse(text) as Dashboard).panels
  return [
    ...alerts,
    ...panels.flatMap(({ title, targets }) => targets.map(({ expr }) => ({ where: `panel ${title}`, expr }))),
  ]
}

export function expressionsOfNoMetric(set: ManifestSet): string[] {
  const metrics = declaredMetrics()
  return expressionsIn(set).flatMap(({ where, expr }) => {
    const used = [...expr.matchAll(/\bgreenroom_\w+/g)].map(([name]) => metricOf(name, metrics))
    const labels = new Set([...used.flatMap((name) => metrics.get(name) ?? []), 'le', 'job'])
    const asked = [
      ...[...expr.matchAll(/\bby \(([^)]*)\)/g)].flatMap(([, list = '']) => list.split(/,\s*/)),
      ...[...expr.matchAll(/([a-z_]+)(?:=~|!=|!~|=)"/g)].map(([, label = '']) => label),
    ]
    return [
      ...used.filter((name) => !metrics.has(name)).map((name) => `${where}: there is no metric ${name}`),
      ...asked.filter((label) => !labels.has(label)).map((label) => `${where}: no label ${label}`),
      ...outcomesIn(expr)
        .filter((outcome) => !outcomes.some((known) => new RegExp(`^(?:${outcome})$`).test(known)))
        .map((outcome) => `${where}: no open ends as ${outcome}`),
    ]
  })
}

const outcomes = [...Object.keys(errorCatalogue), 'opened', 'replayed', 'cold']

function outcomesIn(expr: string): string[] {
  return [...expr.matchAll(/outcome=~?"([^"]*)"/g)].flatMap(([, list = '']) => list.split('|'))
}

/** Of a histogram's series, the histogram. */
function metricOf(series: string, metrics: ReadonlyMap<string, unknown>): string {
  const bare = series.replace(/_(?:bucket|count|sum)$/, '')
  return metrics.has(bare) ? bare : series
}

/** One series for each session would never end. */
export function labelsWithoutEnd(metrics = declaredMetrics()): string[] {
  return [...metrics].flatMap(([name, labels]) =>
    labels.filter((label) => /session|pod|room|uid/.test(label)).map((label) => `${name} has label ${label}`),
  )
}
