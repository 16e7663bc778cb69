import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'

/** Process of the agent of a pod of the bed, found by the pod's UID in its environment. */
export async function pidOfPod(podUid: string): Promise<number> {
  for (const entry of await readdir('/proc')) {
    const environment = await readFile(join('/proc', entry, 'environ'), 'utf8').catch(() => '')
    if (environment.split('\0').includes(`GREENROOM_POD_UID=${podUid}`)) return Number(entry)
  }
  throw new Error(`no process of pod ${podUid}`)
}
