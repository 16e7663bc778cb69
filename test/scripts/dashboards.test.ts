import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { root } from '../../bed/repository.ts'
import { dashboardFiles } from '../../scripts/dashboards/write-dashboards.ts'
import type { Dashboard } from '../manifests-run/checks/monitoring-checks.ts'

/** The dashboards that Grafana reads: written from `scripts/dashboards/panels.ts`, and of the shape that it expects. */

const files = Object.entries(dashboardFiles())

void t.test('the files are the written ones, and no other', async (t) => {
  for (const [path, text] of files)
    t.equal(readFileSync(join(root, path), 'utf8'), text, 'run: node scripts/dashboards/write-dashboards.ts')
  const folder = 'manifests/components/monitoring/dashboards'
  t.same(
    new Set(readdirSync(join(root, folder)).map((name) => `${folder}/${name}`)),
    new Set(files.map(([path]) => path)),
  )
})

void t.test(
  'panels have places of their own, queries with names, and a data source that one chooses',
  async (t) => {
    const uids = new Set<string>()
    for (const [path, text] of files) {
      const dashboard = JSON.parse(text) as Dashboard
      t.notOk(uids.has(dashboard.uid), path)
      uids.add(dashboard.uid)
      t.match(dashboard, { title: /^Greenroom/, schemaVersion: 39, tags: ['greenroom'] })
      t.ok(dashboard.panels.length >= 10)
      const taken = new Set<string>()
      for (const { id, title, type, targets, gridPos } of dashboard.panels) {
        t.match(type, /^(stat|timeseries)$/)
        t.ok(gridPos.x + gridPos.w <= 24, `${title} is within the page`)
        for (let x = gridPos.x; x < gridPos.x + gridPos.w; x += 1)
          for (let y = gridPos.y; y < gridPos.y + gridPos.h; y += 1) {
            const place = `${x} ${y}`
            if (taken.has(place)) t.fail(`${title} lies on another panel`)
            taken.add(place)
          }
        t.same(new Set(targets.map(({ refId }) => refId)).size, targets.length)
        for (const { expr, legendFormat } of targets) t.ok(expr !== '' && legendFormat !== '', title)
        t.equal(dashboard.panels.filter((other) => other.id === id || other.title === title).length, 1, title)
      }
      t.notMatch(text.replaceAll('"uid": "${datasource}"', ''), /\$\{/, 'no other variable')
    }
  },
)
