const coreGroup = 'api/v1'
const admissionGroup = 'apis/admissionregistration.k8s.io/v1'

const groupOf = {
  pods: coreGroup,
  configmaps: coreGroup,
  resourcequotas: coreGroup,
  limitranges: coreGroup,
  mutatingwebhookconfigurations: admissionGroup,
  validatingwebhookconfigurations: admissionGroup,
} as const

interface ApiPathOptions {
  readonly resource: keyof typeof groupOf
  /** Absent for what is in no namespace. */
  readonly namespace?: string
  /** Absent for the whole collection. */
  readonly name?: string
}

/** Path on the API server of what we list, watch or read as raw JSON: `/api/v1/namespaces/ai-agents/pods`. */
export function apiPath({ resource, namespace, name }: ApiPathOptions): string {
  const segments = [...(namespace === undefined ? [] : ['namespaces', namespace]), resource, name]
  const given = segments.filter((segment) => segment !== undefined)
  return `/${groupOf[resource]}/${given.map(encodeURIComponent).join('/')}`
}
