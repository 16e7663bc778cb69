import { isPodSecurityVersion, newestMinor } from './pod-security-standards.ts'
import type { PolicyDocument, PolicyProbe, Resources, Row } from './policy.ts'
import { parseQuantity } from './quantity.ts'

/** What the schema of `policy.yaml` cannot say: relations between its fields. One sentence a problem, with its path. */
export function policyRelations({ defaults, agentTypes, components }: PolicyDocument): string[] {
  const accounts = components.map((component) => component.serviceAccount)
  return [
    ...quantityProblems('/defaults/tmp/sizeLimit', defaults.tmp.sizeLimit),
    ...resourceProblems('/defaults/sidecar', defaults.sidecar),
    ...podSecurityProblems(defaults.podSecurity.version),
    ...Object.entries(agentTypes).flatMap(([name, row]) => rowProblems(`/agentTypes/${name}`, row)),
    ...duplicates(accounts).map((name) => `/components: ServiceAccount ${name} stands there twice`),
    ...components.flatMap(({ images }, index) => imageProblems(`/components/${index}/images`, images)),
  ]
}

function podSecurityProblems(version: string): string[] {
  if (isPodSecurityVersion(version)) return []
  return [`/defaults/podSecurity/version: ${version} is not known here; latest or v1.0 to v1.${newestMinor}`]
}

function rowProblems(at: string, row: Row): string[] {
  const { liveness, readiness, startup } = row.probes ?? {}
  return [
    ...resourceProblems(`${at}/resources`, row.resources),
    ...(row.sidecar ? resourceProblems(`${at}/sidecar`, row.sidecar) : []),
    ...probeProblems(`${at}/probes/liveness`, liveness),
    ...probeProblems(`${at}/probes/readiness`, readiness),
    ...probeProblems(`${at}/probes/startup`, startup),
    ...envProblems(at, row),
  ]
}

function envProblems(at: string, row: Row): string[] {
  const names = [...row.env.map((entry) => entry.name), ...row.secrets.map((entry) => entry.env)]
  return [
    ...duplicates(names).map((name) => `${at}: environment variable ${name} is given twice`),
    ...names
      .filter((name) => name.startsWith('GREENROOM_'))
      .map((name) => `${at}: ${name} is set by Greenroom itself`),
  ]
}

function resourceProblems(at: string, { requests, limits }: Resources): string[] {
  const problems: string[] = []
  for (const name of new Set([...Object.keys(requests), ...Object.keys(limits)] as (keyof typeof limits)[])) {
    const asked = requests[name]
    const most = limits[name]
    const broken = [
      ...quantityProblems(`${at}/requests/${name}`, asked),
      ...quantityProblems(`${at}/limits/${name}`, most),
    ]
    problems.push(...broken)
    if (broken.length > 0) continue
    if (most === undefined) problems.push(`${at}/limits/${name}: is missing; every request needs a limit`)
    else if (asked !== undefined && (parseQuantity(asked) ?? 0n) > (parseQuantity(most) ?? 0n)) {
      problems.push(`${at}/requests/${name}: ${asked} is more than the limit ${most}`)
    }
  }
  return problems
}

function quantityProblems(at: string, quantity: string | number | undefined): string[] {
  if (quantity === undefined) return []
  const value = parseQuantity(quantity)
  if (value === undefined) return [`${at}: ${quantity} is not a quantity such as 250m or 1Gi`]
  return value > 0n ? [] : [`${at}: must be more than 0`]
}

function probeProblems(at: string, probe: PolicyProbe | undefined): string[] {
  if (!probe || probe.timeoutSeconds <= probe.periodSeconds) return []
  return [`${at}/timeoutSeconds: ${probe.timeoutSeconds} is more than periodSeconds (${probe.periodSeconds})`]
}

/** `*` alone would let any image act as Greenroom. */
function imageProblems(at: string, images: readonly string[]): string[] {
  return images
    .filter((image) => image === '*' || image.slice(0, -1).includes('*'))
    .map((image) => `${at}: ${image} must name an image; only its last character may be *`)
}

function duplicates(names: readonly string[]): string[] {
  return [...new Set(names.filter((name, index) => names.indexOf(name) !== index))]
}
