import { delimiter, dirname } from 'node:path'
import type { V1Container, V1Pod } from '@kubernetes/client-node'
import { canRead, isRoot, type SystemUser } from '../processes/system-user.ts'
import { ContainerRefusal, type EnvSources, expand, resolveEnv } from './container-env.ts'
import type { ContainerImage } from './container-image.ts'

/** What to run for a container, and as whom. */
export interface ContainerPlan {
  readonly command: readonly string[]
  readonly cwd: string
  readonly env: Readonly<Record<string, string>>
  readonly user: SystemUser | undefined
}

export interface PlanInput {
  readonly pod: V1Pod
  readonly container: V1Container
  readonly images: Readonly<Record<string, ContainerImage>>
  readonly sources: EnvSources
  /** The pod's own folder for temporary files. */
  readonly tmpFolder: string
  /** Called once when pods must run as this process's user instead of their own. */
  readonly warn: (message: string) => void
}

/** Only the bed sets this variable: a pod has a network of its own, but these processes share the machine's. */
const listenAddressVariable = 'GREENROOM_LISTEN_ADDRESS'

/** Throws ContainerRefusal where a kubelet would not make the container. */
export async function planContainer(input: PlanInput): Promise<ContainerPlan> {
  const { pod, container, sources, tmpFolder } = input
  const image = imageOf(input)
  const user = userOf(input, image)
  const mountsTmp = container.volumeMounts?.some(({ mountPath }) => mountPath === '/tmp') ?? false
  const env = {
    PATH: [dirname(process.execPath), '/usr/local/bin', '/usr/bin', '/bin'].join(delimiter),
    HOSTNAME: pod.spec?.hostname ?? pod.metadata?.name ?? '',
    HOME: tmpFolder,
    ...(mountsTmp && { TMPDIR: tmpFolder }),
    ...image.env,
    ...(await resolveEnv(pod, container, sources)),
    [listenAddressVariable]: sources.podIp,
  }
  const command = [...(container.command ?? image.command ?? []), ...(container.args ?? [])]
  if (command.length === 0) throw new ContainerRefusal('CreateContainerError', 'no command specified')
  const cwd = container.workingDir ?? image.workingDir
  return { command: command.map((word) => expand(word, env)), cwd, env, user }
}

function imageOf({ container, images }: PlanInput): ContainerImage {
  const image = images[container.image ?? '']
  if (image) return image
  const reason = container.imagePullPolicy === 'Never' ? 'ErrImageNeverPull' : 'ErrImagePull'
  const known = Object.keys(images).join(', ')
  throw new ContainerRefusal(reason, `image "${container.image}" is none of the process kubelet's: ${known}`)
}

function userOf({ pod, container, warn }: PlanInput, image: ContainerImage): SystemUser | undefined {
  const [own, shared] = [container.securityContext, pod.spec?.securityContext]
  const uid = own?.runAsUser ?? shared?.runAsUser ?? image.user ?? 0
  if (uid === 0 && (own?.runAsNonRoot ?? shared?.runAsNonRoot)) {
    throw new ContainerRefusal(
      'CreateContainerConfigError',
      'container has runAsNonRoot and image will run as root',
    )
  }
  if (!isRoot || uid === 0) return undefined
  const user = { uid, gid: own?.runAsGroup ?? shared?.runAsGroup ?? uid }
  return mayRun(user, image, warn) ? user : undefined
}

const answers = new Map<string, boolean>()

/** Other users cannot read a checkout below root's home. */
function mayRun(user: SystemUser, { workingDir }: ContainerImage, warn: PlanInput['warn']): boolean {
  const key = `${user.uid}:${user.gid}:${workingDir}`
  const known = answers.get(key)
  if (known !== undefined) return known
  const answer = canRead(user, [workingDir, process.execPath])
  answers.set(key, answer)
  if (!answer) warn(`uid ${user.uid} may not read ${workingDir}: its pods run as the user of this process`)
  return answer
}
