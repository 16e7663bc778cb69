import { readdir, readFile, realpath, writeFile } from 'node:fs/promises'
import { dirname, join, relative } from 'node:path'
import type { V1PodTemplateSpec } from '@kubernetes/client-node'
import { parse, parseAllDocuments, stringify } from 'yaml'
import { temporaryFolder } from '../../bed/processes/temporary-folder.ts'
import { root } from '../../bed/repository.ts'
import { createKubectl } from '../../bed/servers/kubectl.ts'
import { findControlPlane } from '../../bed/set-up/binaries.ts'

/** What somebody applies at once: an overlay, the base with a component, an example; as kustomize builds it. */
export interface ManifestSet {
  readonly name: string
  readonly objects: readonly ManifestObject[]
}

export interface ManifestObject {
  readonly apiVersion: string
  readonly kind: string
  readonly metadata: {
    readonly name: string
    readonly namespace?: string
    labels?: Record<string, string>
    annotations?: Record<string, string>
  }
  readonly spec?: unknown
  readonly data?: Readonly<Record<string, string>>
  readonly stringData?: Readonly<Record<string, string>>
}

/** A component, on the base with the components that it needs. */
const componentsOnBase: Readonly<Record<string, readonly string[]>> = {
  'anti-affinity': [],
  backup: ['postgres'],
  'cert-manager': [],
  'external-secrets': [],
  ingress: [],
  livekit: [],
  monitoring: [],
  'node-affinity': ['postgres', 'redis', 'livekit', 'backup'],
  postgres: [],
  redis: [],
  'sealed-secrets': [],
  'small-machine': [],
  tracing: [],
}

const folders = [
  'manifests/base',
  'manifests/overlays/dev',
  'manifests/overlays/staging',
  'manifests/overlays/prod',
  'test/cluster-run/overlay',
  'test/cluster-run/dev-overlay',
  'examples/stella',
  'examples/station/overlays/development',
  'examples/station/overlays/production',
  'examples/station/overlays/k3s',
  'examples/alfred/overlays/dev',
  'examples/alfred/overlays/staging',
  'examples/alfred/overlays/prod',
  'examples/sekha/rendered',
]

/** Every folder that somebody may apply, and every component. Throws if a component is not in the list above. */
export async function buildAll(): Promise<readonly ManifestSet[]> {
  const there = (await readdir(join(root, 'manifests/components'))).toSorted()
  const listed = Object.keys(componentsOnBase)
  if (there.join() !== listed.join())
    throw new Error(`components: ${there.join()} are there, not ${listed.join()}`)
  await using scratch = await temporaryFolder('manifest-sets')
  const kubectl = findControlPlane()?.kubectl
  if (!kubectl) throw new Error('kubectl is missing: run "npm run setup" first')
  const run = createKubectl(scratch.path, kubectl, '/dev/null')
  const build = async (name: string, folder: string): Promise<ManifestSet> => {
    const { code, stdout, stderr } = await run(['kustomize', folder])
    if (code !== 0) throw new Error(`${name}: ${stderr}`)
    return { name, objects: parseAllDocuments(stdout).map((document) => document.toJS() as ManifestObject) }
  }
  return Promise.all([
    ...folders.map((folder) => build(folder, join(root, folder))),
    ...Object.entries(componentsOnBase).map(async ([component, needed]) => {
      await using overlay = await componentOverlay([...needed, component])
      return await build(`manifests/components/${component}`, overlay.path)
    }),
  ])
}

/** The base with components, in a folder that goes at the end. */
export async function componentOverlay(components: readonly string[]) {
  const folder = await temporaryFolder('component')
  // kustomize takes no absolute paths.
  const from = relative(await realpath(folder.path), join(root, 'manifests'))
  const kustomization = {
    resources: [`${from}/base`, 'settings.yaml'],
    components: components.map((name) => `${from}/components/${name}`),
  }
  await writeFile(join(folder.path, 'kustomization.yaml'), stringify(kustomization))
  const settings = await readFile(join(root, 'manifests/overlays/prod/settings.yaml'))
  await writeFile(join(folder.path, 'settings.yaml'), settings)
  return folder
}

export interface SourceFile {
  readonly path: string
  readonly document: Readonly<Record<string, unknown>>
}

/** The kustomization files of manifests, examples and tests, as they are written. */
export async function kustomizationFiles(): Promise<readonly SourceFile[]> {
  const found = ['manifests', 'examples', 'test/cluster-run'].map(async (folder) =>
    (await readdir(join(root, folder), { recursive: true }))
      .filter((path) => /(^|\/)kustomization\.ya?ml$/.test(path))
      .map((path) => join(folder, path)),
  )
  const paths = (await Promise.all(found)).flat()
  return Promise.all(
    paths.map(async (path) => ({
      path,
      document: parse(await readFile(join(root, path), 'utf8')) as Record<string, unknown>,
    })),
  )
}

/** Objects of a kind. That the documents fit the API's types is what a real API server checks. */
export function ofKind<T>(set: ManifestSet, ...kinds: readonly string[]): (T & ManifestObject)[] {
  return set.objects.filter(({ kind }) => kinds.includes(kind)) as (T & ManifestObject)[]
}

export function nameOf({ kind, metadata }: ManifestObject): string {
  return `${kind} ${metadata.name}`
}

export interface Workload {
  readonly object: ManifestObject
  readonly template: V1PodTemplateSpec
}

const workloadKinds = ['Deployment', 'StatefulSet', 'DaemonSet', 'Job', 'CronJob']

/** Everything that makes pods of its own. */
export function workloads(set: ManifestSet): Workload[] {
  return ofKind<{ spec: WorkloadSpec }>(set, ...workloadKinds).flatMap((object) => {
    const template = object.spec.template ?? object.spec.jobTemplate?.spec.template
    return template ? [{ object, template }] : []
  })
}

interface WorkloadSpec {
  readonly template?: V1PodTemplateSpec
  readonly jobTemplate?: { readonly spec: { readonly template: V1PodTemplateSpec } }
}

/** True if all these labels are among those. */
export function fits(
  wanted: Readonly<Record<string, string>> | undefined,
  labels: Readonly<Record<string, string>> | undefined,
): boolean {
  const entries = Object.entries(wanted ?? {})
  return entries.length > 0 && entries.every(([key, value]) => labels?.[key] === value)
}

/** Where the set is written down: the folder, or the component's. */
export function folderOf({ name }: ManifestSet): string {
  return dirname(join(root, name, 'kustomization.yaml'))
}
