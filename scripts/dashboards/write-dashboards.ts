import { mkdirSync, writeFileSync } from 'node:fs'
import { type Dashboard, dashboards, type Panel } from './panels.ts'

/** `node scripts/dashboards/write-dashboards.ts` writes the JSON that Grafana reads of the panels in `panels.ts`. */

const root = new URL('../../', import.meta.url)
const source = { type: 'prometheus', uid: '${datasource}' }
const columns = 24
const sizes = { number: { w: 6, h: 4 }, graph: { w: 12, h: 8 } } as const

/** File → text. */
export function dashboardFiles(): Readonly<Record<string, string>> {
  return Object.fromEntries(
    dashboards.map((dashboard) => [
      `manifests/components/monitoring/dashboards/${dashboard.name}.json`,
      `${JSON.stringify(grafanaOf(dashboard), undefined, 2)}\n`,
    ]),
  )
}

function grafanaOf({ name, title, variable, panels }: Dashboard) {
  return {
    uid: name,
    title,
    tags: ['greenroom'],
    schemaVersion: 39,
    refresh: '30s',
    time: { from: 'now-3h', to: 'now' },
    // The three lead to each other.
    links: [
      { type: 'dashboards', tags: ['greenroom'], title: 'Greenroom', asDropdown: false, keepTime: true },
    ],
    templating: {
      list: [
        { name: 'datasource', type: 'datasource', query: 'prometheus' },
        ...(variable ? [listOf(variable)] : []),
      ],
    },
    panels: placed(panels),
  }
}

function listOf({ label, from }: { readonly label: string; readonly from: string }) {
  return {
    name: label,
    type: 'query',
    datasource: source,
    query: `label_values(${from}, ${label})`,
    refresh: 2,
    includeAll: true,
    multi: true,
    allValue: '.*',
    current: { text: 'All', value: '$__all' },
  }
}

/** From left to right, then down. */
function placed(panels: readonly Panel[]): object[] {
  let [x, y, rowHeight] = [0, 0, 0]
  return panels.map((panel, index) => {
    const { w, h } = sizes[panel.thresholds ? 'number' : 'graph']
    if (x + w > columns || (x > 0 && h !== rowHeight)) {
      x = 0
      y += rowHeight
    }
    const gridPos = { x, y, w, h }
    x += w
    rowHeight = h
    return panelOf(panel, index + 1, gridPos)
  })
}

function panelOf(panel: Panel, id: number, gridPos: object): object {
  const { title, unit, queries, thresholds } = panel
  return {
    id,
    type: thresholds ? 'stat' : 'timeseries',
    title,
    datasource: source,
    gridPos,
    fieldConfig: { defaults: { unit, min: 0, ...(thresholds && coloured(panel)) }, overrides: [] },
    ...(thresholds && { options: { reduceOptions: { calcs: ['lastNotNull'] }, colorMode: 'value' } }),
    targets: Object.entries(queries).map(([legendFormat, expr], index) => ({
      refId: String.fromCodePoint(65 + index),
      expr,
      legendFormat,
      // Points of a graph show their trace where Prometheus keeps exemplars.
      ...(expr.includes('greenroom_open_seconds_bucket') && { exemplar: true }),
    })),
  }
}

function coloured({ thresholds: [yellow, red] = [0, 0], isBadWhenLow }: Panel) {
  const steps = isBadWhenLow
    ? [
        { color: 'red', value: null },
        { color: 'yellow', value: red },
        { color: 'green', value: yellow },
      ]
    : [
        { color: 'green', value: null },
        { color: 'yellow', value: yellow },
        { color: 'red', value: red },
      ]
  return { thresholds: { mode: 'absolute', steps } }
}

if (import.meta.main) {
  mkdirSync(new URL('manifests/components/monitoring/dashboards/', root), { recursive: true })
  for (const [path, text] of Object.entries(dashboardFiles())) writeFileSync(new URL(path, root), text)
}
