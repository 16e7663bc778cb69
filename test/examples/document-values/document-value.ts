/**
 * The values of the documents, by their rows in docs/source-documents.md: in which built folder of examples/, in which object,
 * and what it has there at least.
 */
export interface DocumentValue {
  readonly item: string
  readonly built: string
  readonly object: string
  readonly has: object
}

export const inContainer = (container: object) => ({
  spec: { template: { spec: { containers: [container] } } },
})
export const resources = (requests: object, limits: object) =>
  inContainer({ resources: { requests, limits } })
export const fromSecret = (name: string, secret: string, key: string) => ({
  name,
  valueFrom: { secretKeyRef: { name: secret, key } },
})

export const utilization = (name: string, averageUtilization: number) => ({
  type: 'Resource',
  resource: { name, target: { type: 'Utilization', averageUtilization } },
})
export const paths = (name: string, number: number) => ({
  paths: [{ path: '/', pathType: 'Prefix', backend: { service: { name, port: { number } } } }],
})
