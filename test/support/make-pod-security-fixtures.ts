import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { parse } from 'yaml'
import type { PodSecurityFixtures } from '../admission/standards/pod-security-fixtures.ts'

/**
 * Packs the fixtures of k8s.io/pod-security-admission into one file; how to call it is in test/fixtures/README.md:
 * `node test/support/make-pod-security-fixtures.ts FOLDER VERSION`, where FOLDER is the module's.
 */

const [module, version] = process.argv.slice(2)
if (!module || !version) throw new Error('usage: make-pod-security-fixtures.ts FOLDER VERSION')
const testdata = join(module, 'test/testdata')
const target = join(import.meta.dirname, '../fixtures/pod-security-standards.json.gz')

const pods: unknown[] = []
const indexOf = new Map<string, number>()
const cases: PodSecurityFixtures['cases'][number][] = []

for (const standard of ['baseline', 'restricted'] as const) {
  const releases = readdirSync(join(testdata, standard)).toSorted((a, b) => minorOf(a) - minorOf(b))
  for (const release of releases) {
    for (const verdict of ['pass', 'fail'] as const) {
      const folder = join(testdata, standard, release, verdict)
      for (const file of readdirSync(folder).toSorted()) {
        const pod = place(readFileSync(join(folder, file), 'utf8'))
        cases.push({ standard, release, verdict, name: file.replace(/\.yaml$/, ''), pod })
      }
    }
  }
}

const fixtures: PodSecurityFixtures = { module: `k8s.io/pod-security-admission@${version}`, pods, cases }
writeFileSync(target, gzipSync(JSON.stringify(fixtures), { level: 9 }))
console.log(`${cases.length} cases, ${pods.length} pods: ${target}`)

/** The index of a pod among the distinct ones: most are the same in many versions. */
function place(yaml: string): number {
  const known = indexOf.get(yaml)
  if (known !== undefined) return known
  indexOf.set(yaml, pods.length)
  return pods.push(parse(yaml)) - 1
}

function minorOf(release: string): number {
  return Number(release.replace('v1.', ''))
}
