import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { parse, stringify } from 'yaml'
import { temporaryFolder } from '../../bed/processes/temporary-folder.ts'
import { root } from '../../bed/repository.ts'
import { promtool } from '../../bed/servers/promtool.ts'
import { alertCases } from './alert-cases.ts'

/** The alerts of the monitoring component, by Prometheus' own tool: their rules are valid, and each fires and ends. */

interface Rule {
  readonly alert?: string
  readonly labels: Readonly<Record<string, string>>
  readonly annotations: Readonly<Record<string, string>>
}

const text = await readFile(join(root, 'manifests/components/monitoring/alerts.yaml'), 'utf8')
const { spec } = parse(text) as { spec: { groups: { name: string; rules: Rule[] }[] } }
const alerts = spec.groups.flatMap(({ rules }) => rules.filter(({ alert }) => alert !== undefined))

const folder = await temporaryFolder('alerts')
t.teardown(() => folder.remove())
await writeFile(join(folder.path, 'rules.yaml'), stringify(spec))

function filled(annotations: Rule['annotations'], labels: Readonly<Record<string, string>>) {
  const fill = (words: string) =>
    words.replaceAll(/\{\{ \$labels\.(\w+) \}\}/g, (_, label: string) => labels[label] ?? '')
  return Object.fromEntries(Object.entries(annotations).map(([key, words]) => [key, fill(words)]))
}

/** As `promtool test rules` reads it: at one time the alert is there with all its words, at the other it is not. */
function testOf({ alert = '', labels, annotations }: Rule) {
  const found = alertCases[alert]
  if (!found) throw new Error(`no case of ${alert}`)
  const { fires, clearsAt, series } = found
  const named = fires.labels ?? {}
  const expected = { exp_labels: { ...labels, ...named }, exp_annotations: filled(annotations, named) }
  return {
    interval: '1m',
    name: alert,
    input_series: Object.entries(series).map(([of, values]) => ({ series: of, values })),
    alert_rule_test: [
      { alertname: alert, eval_time: fires.at, exp_alerts: [expected] },
      { alertname: alert, eval_time: clearsAt, exp_alerts: [] },
    ],
  }
}

async function runTests(tests: readonly object[]) {
  const path = join(folder.path, 'tests.yaml')
  await writeFile(path, stringify({ rule_files: ['rules.yaml'], evaluation_interval: '1m', tests }))
  return promtool(['test', 'rules', path])
}

void t.test('the rules are valid, and each alert has its case', async (t) => {
  const { code, output } = promtool([
    'check',
    'rules',
    '--lint=all',
    '--lint-fatal',
    join(folder.path, 'rules.yaml'),
  ])
  t.equal(code, 0, output)
  const names = alerts.map(({ alert }) => alert ?? '')
  t.equal(new Set(names).size, names.length)
  t.same(new Set(names), new Set(Object.keys(alertCases)))
  t.ok(names.length >= 10)
})

void t.test('every alert fires, and ends when its cause is over', async (t) => {
  const { code, output } = await runTests(alerts.map(testOf))
  t.equal(code, 0, output)
  t.match(output, 'SUCCESS')
})

void t.test('an alert that does not fire, or does not end, would be found', async (t) => {
  const turned = alerts.map((rule) => {
    const { alert_rule_test: times, ...rest } = testOf(rule)
    const there = [{ exp_labels: rule.labels }]
    return {
      ...rest,
      alert_rule_test: times.map(({ exp_alerts: expected, ...time }) => ({
        ...time,
        exp_alerts: expected.length > 0 ? [] : there,
      })),
    }
  })
  const { output } = await runTests(turned)
  for (const { alertname, eval_time: at } of turned.flatMap(({ alert_rule_test: times }) => times))
    t.match(output, `alertname: ${alertname}, time: ${at},`)
})

void t.test('each has a severity, a sentence, and a page of its own', async (t) => {
  const listed = await readFile(join(root, 'docs/operate/monitoring.md'), 'utf8')
  t.equal(listed.match(/^\| \[Greenroom/gm)?.length, alerts.length)
  for (const { alert = '', labels, annotations } of alerts) {
    t.match(labels.severity, /^(page|ticket)$/, alert)
    t.match(annotations.summary, /^[A-Z].*\.$/, alert)
    t.equal(annotations.runbook_url, `docs/runbooks/${alert}.md`)
    t.match(listed, `\n| [${alert}](../runbooks/${alert}.md) | ${labels.severity} |`)
    const page = await readFile(join(root, annotations.runbook_url ?? ''), 'utf8')
    t.match(page, new RegExp(`^# ${alert}\n`))
    for (const part of ['## What it means', '## What to look at', '## What to do'])
      t.match(page, `\n${part}\n`, alert)
  }
})
