import type { Redis } from 'ioredis'
import type { Pool } from 'pg'
import type { KubeClients } from '../../cluster/kube-clients.ts'
import type { Config } from '../../config.ts'

/** One thing that a cluster, a store or this machine must be, with what to do when it is not. */
export interface DoctorCheck<P extends PartName = PartName> {
  /** In tables and in JSON; stable. */
  readonly name: string
  readonly title: string
  /** `before` an installation, `after` it, or `always`. */
  readonly when: 'before' | 'after' | 'always'
  /** What is asked. The check is skipped, with the reason, where that part is not configured or not reached. */
  readonly part: P
  /** Whether this check says what keeps the part from being reached; one check of each part does. */
  readonly reaches?: true
  readonly why: string
  /** A command to copy, unless the finding has one that fits better. */
  readonly fix: string
  run(part: Parts[P], context: CheckContext): Promise<Finding>
}

/** What checks ask. Each is opened once and shared. */
export interface Parts {
  readonly machine: undefined
  readonly kubernetes: KubeClients
  readonly postgresql: Pool
  readonly redis: Redis
  readonly livekit: LiveKitKeys
}

export type PartName = keyof Parts

export interface LiveKitKeys {
  readonly url: string
  readonly apiKey: string
  readonly apiSecret: string
}

export interface CheckContext {
  readonly config: Config<'doctor'>
  /** The cluster, for a check of another part that can say more with it; undefined where it is not reached. */
  readonly kubernetes: () => Promise<KubeClients | undefined>
  readonly epochMs: () => number
  readonly monotonicMs: () => number
}

/** What a check found. `absent`: what it looks for is not installed, which is wrong only after an installation. */
export interface Finding {
  readonly state: 'ok' | 'warning' | 'failed' | 'skipped' | 'absent'
  /** One sentence or two: what was seen. */
  readonly detail: string
  readonly fix?: string
}

export const ok = (detail: string): Finding => ({ state: 'ok', detail })
export const skipped = (detail: string): Finding => ({ state: 'skipped', detail })
export const warning = (detail: string, fix?: string): Finding => finding('warning', detail, fix)
export const failed = (detail: string, fix?: string): Finding => finding('failed', detail, fix)
export const absent = (detail: string, fix?: string): Finding => finding('absent', detail, fix)

function finding(state: Finding['state'], detail: string, fix?: string): Finding {
  return { state, detail, ...(fix !== undefined && { fix }) }
}

/** The agents' namespace as the manifests have it; rights and commands are turned to that of GREENROOM_NAMESPACE. */
export const manifestNamespace = 'ai-agents'

/** The worst of several findings about one thing; `fine` if there is none. */
export function worst(findings: readonly Finding[], fine: string): Finding {
  const found =
    findings.find(({ state }) => state === 'failed') ?? findings.find(({ state }) => state !== 'ok')
  return found ?? ok(fine)
}

/** "7.4.1" and "15.6 (Debian)" as comparable numbers: major and minor. */
export function versionOf(text: string): readonly [major: number, minor: number] {
  const [, major = '0', minor = '0'] = /(\d+)(?:\.(\d+))?/.exec(text) ?? []
  return [Number(major), Number(minor)]
}

export function isBelow(version: readonly [number, number], wanted: readonly [number, number]): boolean {
  return version[0] < wanted[0] || (version[0] === wanted[0] && version[1] < wanted[1])
}

/** The sentence of an error, with its cause where that says more. */
export function sentenceOf(error: unknown): string {
  if (error instanceof AggregateError) return error.errors.map(sentenceOf).join('; ')
  if (!(error instanceof Error)) return String(error)
  const text = error.message || String((error as NodeJS.ErrnoException).code ?? error.name)
  return error.cause instanceof Error ? `${text} (${sentenceOf(error.cause)})` : text
}
