import type { Cluster } from './cluster.ts'
import type { ImageArchive } from './image-archive.ts'

/**
 * One scenario of `npm run e2e`: one file in `scenarios/`, one line in the list of `e2e.ts`. It checks one thing after the
 * other and leaves the cluster as it found it.
 */
export interface Scenario {
  /** As people type it: `npm run e2e -- NAME`. */
  readonly name: string
  /** What it shows, in one line. */
  readonly shows: string
  readonly run: (bench: Bench) => Promise<void>
}

/** What a scenario works with. */
export interface Bench {
  readonly cluster: Cluster
  readonly kubeconfig: string
  /** An address of this machine that pods reach. */
  readonly hostAddress: string
  /** The cluster enforces network policies. */
  readonly enforcesPolicies: boolean
  /** For files; gone at the end. */
  readonly folder: string
  /** Greenroom's image, loaded in the cluster. */
  readonly image: string
  /** The image as files. Absent where the run was given an image: then only what is in the cluster can be looked at. */
  readonly archive: ImageArchive | undefined
  /** Loads an image from its archive, under other full names too if they are given. Absent as `archive` is. */
  readonly load: ((archivePath: string, as?: readonly string[]) => Promise<void>) | undefined
  /** Prints one line; never throws. `run` returns what was seen, or throws with what is wrong. */
  readonly check: (what: string, run: () => Promise<string>) => Promise<void>
  /** Prints a line that is no check. */
  readonly say: (line: string) => void
}

interface Counted {
  readonly bench: Pick<Bench, 'check' | 'say'>
  readonly passed: () => number
  readonly failed: () => number
}

/** Prints and counts. */
export function createChecks(print: (line: string) => void): Counted {
  let passed = 0
  let failed = 0
  return {
    passed: () => passed,
    failed: () => failed,
    bench: {
      say: (line) => print(`        ${line}`),
      async check(what, run) {
        const begun = performance.now()
        const seconds = () => `${((performance.now() - begun) / 1_000).toFixed(1).padStart(6)} s`
        try {
          const seen = await run()
          passed += 1
          print(`ok      ${seconds()}  ${what}: ${seen}`)
        } catch (error) {
          failed += 1
          print(`FAILED  ${seconds()}  ${what}: ${error instanceof Error ? error.message : String(error)}`)
        }
      },
    },
  }
}

/** Fails the check that calls it. */
export function expect(holds: boolean, otherwise: string): void {
  if (!holds) throw new Error(otherwise)
}
