import { existsSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { type Program, startProgram } from '../processes/start-program.ts'
import type { ControlPlane } from './control-plane.ts'

const pathBeside = ({ kubectlPath }: ControlPlane): string =>
  join(dirname(kubectlPath), 'kube-controller-manager')

/** Says why a test that needs it is skipped; false if the program is in the cache. The bed itself does not need it. */
export function withoutControllerManager(plane: ControlPlane): string | false {
  return !existsSync(pathBeside(plane)) && 'kube-controller-manager is not in the cache'
}

/** Kubernetes' own controllers of these names, with the administrator's rights. */
export function startControllerManager(
  plane: ControlPlane,
  folder: string,
  controllers: readonly string[],
): Promise<Program> {
  return startProgram({
    command: pathBeside(plane),
    args: [
      `--kubeconfig=${plane.kubeconfigPath}`,
      `--controllers=${controllers.join(',')}`,
      '--leader-elect=false',
      '--secure-port=0',
    ],
    logPath: join(folder, 'kube-controller-manager.log'),
  })
}
