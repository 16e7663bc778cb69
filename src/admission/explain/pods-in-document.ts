import { withClaimTemplates } from '../pod/claim-template-volumes.ts'
import { isJsonObject, type JsonObject } from '../pod/json-object.ts'

/** The pods that a document of any kind is about, for explaining them. */
export interface PodToExplain {
  /** Of the object in the document: `Deployment/web`. */
  readonly subject: string
  /** Undefined: the document names none. */
  readonly namespace: string | undefined
  /** As found, unchecked. */
  readonly pod: unknown
  /** Who creates it; undefined for a pod that is there already: its creator was judged then. */
  readonly username: string | undefined
}

/** The author of a file has no rights of Greenroom's. */
const anAuthor = ''

/** Lists and reviews hold objects that may be lists again; deeper ones than this are a mistake. */
const deepest = 4

/**
 * Pods of a Pod, a List, an AdmissionReview of one of these, or anything with a pod template where Kubernetes' own
 * workloads have it. Empty for any other value.
 */
export function podsToExplain(document: unknown, namespace?: string, depth = 0): PodToExplain[] {
  if (!isJsonObject(document) || depth > deepest) return []
  const { kind, metadata, spec, items, request } = document
  const own = textOf(metadata, 'namespace') ?? namespace
  if (kind === 'AdmissionReview' && isJsonObject(request)) {
    const username = textOf(request.userInfo, 'username') ?? anAuthor
    const reviewed = podsToExplain(request.object, textOf(request, 'namespace'), depth + 1)
    return reviewed.map((found) => (found.subject.startsWith('Pod/') ? { ...found, username } : found))
  }
  if (Array.isArray(items)) return items.flatMap((item) => podsToExplain(item, own, depth + 1))
  const subject = `${typeof kind === 'string' ? kind : 'Pod'}/${textOf(metadata, 'name') ?? textOf(metadata, 'generateName') ?? ''}`
  if (kind === 'Pod' || (kind === undefined && isJsonObject(spec) && Array.isArray(spec.containers))) {
    const username = textOf(metadata, 'uid') === undefined ? anAuthor : undefined
    return [{ subject, namespace: own, pod: document, username }]
  }
  const template = templateOf(document)
  if (!template) return []
  const made = isJsonObject(template.spec) ? withClaimTemplates(document, template.spec) : template.spec
  const pod = { metadata: template.metadata ?? {}, spec: made }
  return [{ subject, namespace: own, pod, username: anAuthor }]
}

/** Deployment and its like; CronJob; PodTemplate. */
const templatePaths = [['spec', 'template'], ['spec', 'jobTemplate', 'spec', 'template'], ['template']]

function templateOf(document: JsonObject): JsonObject | undefined {
  for (const path of templatePaths) {
    let found: unknown = document
    for (const key of path) found = isJsonObject(found) ? found[key] : undefined
    if (isJsonObject(found) && isJsonObject(found.spec) && Array.isArray(found.spec.containers)) return found
  }
  return undefined
}

function textOf(object: unknown, key: string): string | undefined {
  const text = isJsonObject(object) ? object[key] : undefined
  return typeof text === 'string' && text !== '' ? text : undefined
}
