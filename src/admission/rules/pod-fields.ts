import { everyContainer, startedContainers } from './field-path.ts'

/**
 * Every field that a pod can have, as Kubernetes 1.36 writes it, in one of three lists: a rule judges it, it is free whatever
 * it holds, or it is refused. A field in none of them is unknown to this version, and the rule `unknown-fields` refuses it:
 * what a newer Kubernetes adds to a container, a volume or a credential may bring in code, files, an identity or a device.
 *
 * An entry covers all that is below it, so an object whose next field could matter is listed field by field.
 * A test compares the lists with the API server's own description of a pod, and `judgedFields` with the rules.
 */

const debugContainers = 'spec.ephemeralContainers[*]'
const variable = `${everyContainer}.env[*]`
const mount = `${everyContainer}.volumeMounts[*]`
const probe = `${everyContainer}.{livenessProbe,readinessProbe,startupProbe}`
const handler = `${everyContainer}.lifecycle.{postStart,preStop}`
const volume = 'spec.volumes[*]'
const source = `${volume}.projected.sources[*]`
const claimTemplate = `${volume}.ephemeral.volumeClaimTemplate`
const nodeAffinity = 'spec.affinity.nodeAffinity'
const required = `${nodeAffinity}.requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms[*]`
const inSecurity = (fields: string): string[] =>
  ['spec', everyContainer].map((place) => `${place}.securityContext.${fields}`)

/** A rule of Greenroom or a check of Pod Security judges or sets them. */
export const judgedFields: readonly string[] = [
  'spec.{automountServiceAccountToken,hostIPC,hostNetwork,hostPID,overhead,preemptionPolicy,priority,priorityClassName}',
  'spec.{resources,runtimeClassName,serviceAccount,serviceAccountName,terminationGracePeriodSeconds,tolerations}',
  'spec.{topologySpreadConstraints,nodeName,os.name,imagePullSecrets[*].name}',
  `${claimTemplate}.spec.storageClassName`,
  'spec.resourceClaims[*].{resourceClaimName,resourceClaimTemplateName}',
  `${required}.matchExpressions`,
  ...inSecurity(
    '{runAsNonRoot,runAsUser,seccompProfile.type,appArmorProfile.type,windowsOptions.hostProcess}',
  ),
  ...inSecurity('seLinuxOptions.{type,user,role}'),
  'spec.securityContext.{fsGroup,runAsGroup,supplementalGroups,supplementalGroupsPolicy,sysctls[*].name}',
  `${everyContainer}.securityContext.{allowPrivilegeEscalation,capabilities,privileged,procMount}`,
  `${startedContainers}.securityContext.{readOnlyRootFilesystem,runAsGroup}`,
  `${everyContainer}.{image,ports[*].hostPort,envFrom[*].secretRef.name}`,
  'spec.containers[*].name',
  `${startedContainers}.{args,command,workingDir,terminationMessagePath,terminationMessagePolicy}`,
  `${startedContainers}.envFrom[*].{prefix,configMapRef.name}`,
  `${startedContainers}.resources.{limits,requests}`,
  `${startedContainers}.volumeMounts[*].{mountPath,subPathExpr}`,
  `${variable}.{name,valueFrom.secretKeyRef.name,valueFrom.secretKeyRef.key}`,
  `${probe}.{httpGet,tcpSocket}.host`,
  `${handler}.{httpGet,tcpSocket}.host`,
  `${volume}.{emptyDir.sizeLimit,secret.secretName,image.reference,persistentVolumeClaim.claimName}`,
  `${volume}.csi.{nodePublishSecretRef.name,volumeAttributes}`,
  `${source}.{secret.name,serviceAccountToken}`,
  // Kinds that reach a node or a storage system with the rights of the kubelet: Pod Security refuses each as a whole.
  `${volume}.{awsElasticBlockStore,azureDisk,azureFile,cephfs,cinder,fc,flexVolume,flocker,gcePersistentDisk,gitRepo}`,
  `${volume}.{glusterfs,hostPath,iscsi,nfs,photonPersistentDisk,portworxVolume,quobyte,rbd,scaleIO,storageos}`,
  `${volume}.vsphereVolume`,
]

export interface FieldsWithReason {
  readonly fields: readonly string[]
  readonly why: string
}

/** Harmless whatever they hold. */
export const freeFields: readonly FieldsWithReason[] = [
  {
    why: "the author's own program and its files, which run with the rights that the other rules leave",
    fields: [
      `${everyContainer}.{stdin,stdinOnce,tty}`,
      `${debugContainers}.{args,command,workingDir,terminationMessagePath,terminationMessagePolicy}`,
      `${everyContainer}.{restartPolicy,restartPolicyRules,resizePolicy,imagePullPolicy,lifecycle.stopSignal}`,
      `${debugContainers}.{targetContainerName,securityContext.readOnlyRootFilesystem,securityContext.runAsGroup}`,
      `${variable}.value`,
      `${handler}.{exec.command,sleep.seconds}`,
      'spec.{activeDeadlineSeconds,restartPolicy,shareProcessNamespace}',
    ],
  },
  {
    why: 'names within the pod, and what it calls itself or others in its own resolver',
    fields: [
      'spec.{initContainers,ephemeralContainers}[*].name',
      `${everyContainer}.ports[*].{containerPort,name,protocol,hostIP}`,
      `${volume}.name`,
      'spec.{dnsConfig,dnsPolicy,enableServiceLinks,hostAliases,hostname,hostnameOverride,setHostnameAsFQDN,subdomain}',
    ],
  },
  {
    why: "what the kubelet asks the pod's own address",
    fields: [
      `${probe}.{failureThreshold,initialDelaySeconds,periodSeconds,successThreshold,timeoutSeconds}`,
      `${probe}.{terminationGracePeriodSeconds,exec.command,grpc.port,grpc.service,tcpSocket.port}`,
      `${probe}.httpGet.{httpHeaders,path,port,scheme}`,
      `${handler}.{httpGet.httpHeaders,httpGet.path,httpGet.port,httpGet.scheme,tcpSocket.port}`,
    ],
  },
  {
    why: 'values of the namespace that are no secrets, of the pod itself, or of files that it wrote',
    fields: [
      `${variable}.valueFrom.{configMapKeyRef.key,configMapKeyRef.name,configMapKeyRef.optional,secretKeyRef.optional}`,
      `${variable}.valueFrom.{fieldRef.apiVersion,fieldRef.fieldPath}`,
      `${variable}.valueFrom.resourceFieldRef.{containerName,divisor,resource}`,
      `${variable}.valueFrom.fileKeyRef.{key,optional,path,volumeName}`,
      `${everyContainer}.envFrom[*].{configMapRef.optional,secretRef.optional}`,
      `${debugContainers}.envFrom[*].{prefix,configMapRef.name}`,
    ],
  },
  {
    why: 'where a volume that is judged stands, and how',
    fields: [
      `${mount}.{name,readOnly,recursiveReadOnly,subPath,mountPropagation}`,
      `${debugContainers}.volumeMounts[*].{mountPath,subPathExpr}`,
      `${volume}.configMap.{defaultMode,items,name,optional}`,
      `${volume}.secret.{defaultMode,items,optional}`,
      `${volume}.downwardAPI.{defaultMode,items}`,
      `${volume}.{emptyDir.medium,image.pullPolicy,persistentVolumeClaim.readOnly}`,
      `${volume}.csi.{driver,fsType,readOnly}`,
      `${volume}.projected.defaultMode`,
      `${source}.configMap.{items,name,optional}`,
      `${source}.secret.{items,optional}`,
      `${source}.downwardAPI.items`,
      `${source}.clusterTrustBundle.{labelSelector,name,optional,path,signerName}`,
    ],
  },
  {
    why: 'a new and empty disk, which the namespace pays for by its quota',
    fields: [
      `${claimTemplate}.{metadata,spec.accessModes,spec.volumeMode,spec.resources}`,
      `${claimTemplate}.spec.volumeAttributesClassName`,
    ],
  },
  {
    why: 'names a claim of the pod, which the rule resource-claims judges',
    fields: [
      'spec.resourceClaims[*].name',
      `${everyContainer}.resources.claims[*].{name,request}`,
      `${debugContainers}.resources.{limits,requests}`,
    ],
  },
  {
    why: "where and when the pod is scheduled; the row's own terms are added",
    fields: [
      'spec.affinity.{podAffinity,podAntiAffinity}',
      `${nodeAffinity}.preferredDuringSchedulingIgnoredDuringExecution`,
      `${required}.matchFields`,
      'spec.{nodeSelector,readinessGates,schedulerName,schedulingGates,schedulingGroup.podGroupName}',
    ],
  },
  {
    why: 'narrows what the process may do, or chooses how a judged value is applied',
    fields: [
      ...inSecurity(
        '{seLinuxOptions.level,seccompProfile.localhostProfile,appArmorProfile.localhostProfile}',
      ),
      'spec.securityContext.{fsGroupChangePolicy,seLinuxChangePolicy}',
      'spec.securityContext.sysctls[*].value',
      'spec.hostUsers',
    ],
  },
]

/** They bring in what no row can give yet. */
export const refusedFields: readonly FieldsWithReason[] = [
  {
    why: 'a disk of the node as a raw device, past the file system and its rights',
    fields: [`${everyContainer}.volumeDevices`],
  },
  {
    why: 'an identity: a certificate in the name of the pod',
    fields: [`${source}.podCertificate`],
  },
  {
    why: 'an account of a Windows domain, and Windows pods are refused',
    fields: inSecurity('windowsOptions.{gmsaCredentialSpec,gmsaCredentialSpecName,runAsUserName}'),
  },
  {
    why: 'the files of another claim, snapshot or disk',
    fields: [`${claimTemplate}.spec.{dataSource,dataSourceRef,selector,volumeName}`],
  },
]
