/**
 * Reviews as kube-apiserver 1.36 sends them for a pod that a ReplicaSet creates: two containers and an init container,
 * after its own defaults and plugins.
 */

const tokenVolume = 'kube-api-access-x7k2p'

function container(name: string): object {
  return {
    name,
    image: 'stella-agent:1.14.2',
    ports: [{ name: 'http', containerPort: 8080, protocol: 'TCP' }],
    env: [
      { name: 'LOG_LEVEL', value: 'info' },
      { name: 'REGION', value: 'eu-central-1' },
    ],
    resources: {},
    volumeMounts: [
      {
        name: tokenVolume,
        readOnly: true,
        mountPath: '/var/run/secrets/kubernetes.io/serviceaccount',
      },
    ],
    terminationMessagePath: '/dev/termination-log',
    terminationMessagePolicy: 'File',
    imagePullPolicy: 'IfNotPresent',
  }
}

const toleration = (condition: string): object => ({
  key: `node.kubernetes.io/${condition}`,
  operator: 'Exists',
  effect: 'NoExecute',
  tolerationSeconds: 300,
})

const ownerReference = {
  apiVersion: 'apps/v1',
  kind: 'ReplicaSet',
  name: 'web-7d9c6b4f5',
  uid: '2b1f6c1e-6f8a-4a55-9a43-0c8f2f6a9d10',
  controller: true,
  blockOwnerDeletion: true,
}

/** What client-go's server-side apply and status updates leave in a pod: one manager for each writer. */
function managedFields(bytes: number): object[] {
  const fields = Object.fromEntries(
    ['env', 'image', 'name', 'ports', 'resources', 'volumeMounts', 'securityContext', 'imagePullPolicy'].map(
      (name) => [`f:${name}`, { '.': {}, 'k:{"name":"agent"}': { 'f:name': {}, 'f:value': {} } }],
    ),
  )
  const manager = {
    manager: 'kube-controller-manager',
    operation: 'Update',
    apiVersion: 'v1',
    time: '2026-11-21T08:00:00Z',
    fieldsType: 'FieldsV1',
    fieldsV1: { 'f:metadata': { 'f:labels': fields }, 'f:spec': { 'f:containers': fields } },
  }
  const found: object[] = []
  while (JSON.stringify(found).length < bytes) found.push(manager)
  return found
}

function podOf(managedBytes: number): object {
  return {
    kind: 'Pod',
    apiVersion: 'v1',
    metadata: {
      generateName: 'web-7d9c6b4f5-',
      creationTimestamp: null,
      labels: { 'agent-type': 'stella-agent', 'pod-template-hash': '7d9c6b4f5' },
      ownerReferences: [ownerReference],
      ...(managedBytes > 0 && { managedFields: managedFields(managedBytes) }),
    },
    spec: {
      volumes: [
        {
          name: tokenVolume,
          projected: {
            sources: [
              { serviceAccountToken: { expirationSeconds: 3607, path: 'token' } },
              { configMap: { name: 'kube-root-ca.crt', items: [{ key: 'ca.crt', path: 'ca.crt' }] } },
              {
                downwardAPI: {
                  items: [
                    {
                      path: 'namespace',
                      fieldRef: { apiVersion: 'v1', fieldPath: 'metadata.namespace' },
                    },
                  ],
                },
              },
            ],
            defaultMode: 420,
          },
        },
      ],
      initContainers: [container('fetch')],
      containers: [container('agent'), container('log-shipper')],
      restartPolicy: 'Always',
      terminationGracePeriodSeconds: 30,
      dnsPolicy: 'ClusterFirst',
      serviceAccountName: 'default',
      serviceAccount: 'default',
      securityContext: {},
      schedulerName: 'default-scheduler',
      tolerations: [toleration('not-ready'), toleration('unreachable')],
      priority: 0,
      enableServiceLinks: true,
      preemptionPolicy: 'PreemptLowerPriority',
    },
    status: {},
  }
}

/** Body of the review of a new pod; `managedBytes` of managedFields besides. */
export function reviewText(managedBytes: number): string {
  const pods = { group: '', version: 'v1', resource: 'pods' }
  const kind = { group: '', version: 'v1', kind: 'Pod' }
  return JSON.stringify({
    kind: 'AdmissionReview',
    apiVersion: 'admission.k8s.io/v1',
    request: {
      uid: '5b8c2b0e-5d0b-4f4e-8f0e-2f6f3f1f7a11',
      kind,
      resource: pods,
      requestKind: kind,
      requestResource: pods,
      namespace: 'ai-agents',
      operation: 'CREATE',
      userInfo: {
        username: 'system:serviceaccount:kube-system:replicaset-controller',
        uid: '7a1c1b9e-4e8b-4b43-9b0b-6a3a0c1d2e3f',
        groups: ['system:serviceaccounts', 'system:serviceaccounts:kube-system', 'system:authenticated'],
      },
      object: podOf(managedBytes),
      oldObject: null,
      dryRun: false,
      options: { kind: 'CreateOptions', apiVersion: 'meta.k8s.io/v1' },
    },
  })
}

/** A pod to create in earnest, as a client writes it. */
export const podToCreate = {
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { generateName: 'bench-', labels: { 'agent-type': 'stella-agent' } },
  spec: {
    // As the webhook would make it: where it is not called the namespace enforces nothing.
    containers: ['agent', 'log-shipper'].map((name) => ({ name, image: 'stella-agent:1' })),
    initContainers: [{ name: 'fetch', image: 'stella-agent:1' }],
  },
}
