import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { gunzipSync } from 'node:zlib'

/** The fixtures of k8s.io/pod-security-admission; see test/fixtures/README.md. */
export interface PodSecurityFixtures {
  /** Go module and version. */
  readonly module: string
  /** The distinct ones. */
  readonly pods: readonly unknown[]
  readonly cases: readonly {
    readonly standard: 'baseline' | 'restricted'
    /** `v1.0`, `v1.1`, … */
    readonly release: string
    readonly verdict: 'pass' | 'fail'
    /** The upstream file without its ending: the check in lower case and a number. */
    readonly name: string
    /** Index into `pods`. */
    readonly pod: number
  }[]
}

export function readPodSecurityFixtures(): PodSecurityFixtures {
  const packed = readFileSync(join(import.meta.dirname, '../../fixtures/pod-security-standards.json.gz'))
  return JSON.parse(gunzipSync(packed).toString('utf8')) as PodSecurityFixtures
}
