import { readdir, readFile } from 'node:fs/promises'
import { setTimeout as pause } from 'node:timers/promises'
import type { Bed } from '../../bed/bed.ts'
import { until } from '../../bed/processes/until.ts'
import type { RoleProcess } from '../../bed/replicas/role-process.ts'
import type { History } from '../support/history.ts'
import { askRedis } from './ask-redis.ts'
import { describeFault, type Fault, type PlannedFault } from './fault-plan.ts'
import { createStrangers } from './strangers.ts'

/** Does to the bed what the plan says. Every fault heals itself; `healed` waits for the last. */
export interface Faults {
  begin(planned: PlannedFault): void
  healed(): Promise<void>
  /** Signals KILL that reached a process. */
  kills(): number
  /** UIDs of pods that lost their process or were deleted by hand: their sessions may end for it. */
  readonly struckPods: ReadonlySet<string>
  /** UIDs of pods that nobody may have been given. */
  readonly strangers: ReadonlySet<string>
  /** What went wrong in the bed itself. */
  readonly troubles: readonly string[]
}

export function createFaults(bed: Bed, history: History): Faults {
  const struckPods = new Set<string>()
  const strangers = createStrangers(bed)
  const troubles: string[] = []
  const underway = new Set<Promise<void>>()
  /** Servers and roles that a fault holds at present: another one would not find what it needs. */
  const busy = new Set<string>()
  let kills = 0

  /**
   * Runs `work` unless another fault has its hands on `name`, which then is left to `instead`; resolves with what was
   * done, in words.
   */
  async function alone(
    name: string,
    work: () => Promise<string>,
    instead = async () => 'nothing done',
  ): Promise<string> {
    if (busy.has(name)) return `${name} is busy with another fault; ${await instead()}`
    busy.add(name)
    try {
      return await work()
    } finally {
      busy.delete(name)
    }
  }

  function signal(pid: number, name: NodeJS.Signals): void {
    process.kill(pid, name)
    if (name === 'SIGKILL') kills += 1
  }

  async function run({ fault, pick }: PlannedFault): Promise<void> {
    const text = describeFault(fault)
    history.fault(`${text} …`)
    history.fault(`${text}: ${await strike(fault, pick)}`)
  }

  function strike(fault: Fault, pick: number): Promise<string> {
    switch (fault.kind) {
      case 'kill':
        return kill(fault.target, pick)
      case 'pause':
        return pauseFor(fault.target, fault.forMs, pick)
      case 'stop-postgres':
        return alone('postgres', async () => {
          // As `pg_ctl stop -m immediate`: no checkpoint, clients are cut off, recovery at the next start.
          signal(bed.postgres.pid, 'SIGQUIT')
          await pause(fault.forMs)
          await bed.postgres.restart()
          return 'up again'
        })
      case 'network':
        return disturb(fault)
      case 'delete-pod':
        return deletePod(pick)
      case 'flush-redis':
        return askRedis(bed.redis.socketPath, 'FLUSHALL')
      case 'stranger':
        return strangers.add()
    }
  }

  async function kill(target: Extract<Fault, { kind: 'kill' }>['target'], pick: number): Promise<string> {
    switch (target) {
      case 'redis':
        return alone(
          target,
          async () => {
            kills += 1
            await bed.redis.kill()
            await bed.redis.restart({ flush: true })
            return 'up again, empty'
          },
          killAnother,
        )
      case 'postgres':
        return alone(target, killPostgres, killAnother)
      case 'kube-apiserver':
        return alone(
          target,
          async () => {
            kills += 1
            await bed.plane.killApiServer()
            await bed.plane.startApiServerAgain()
            return 'up again'
          },
          killAnother,
        )
      case 'agent':
        return (await killAgent(pick)) ?? `there is no agent; ${await killAnother()}`
      case 'api':
      case 'controller':
      case 'webhook': {
        return killRole(target, pick) ?? `no ${target} is running; ${await killAnother()}`
      }
    }
  }

  /** Kills a living process instead of a chosen one that is dead already. */
  async function killAnother(): Promise<string> {
    const victim = killRole('api', 0) ?? killRole('webhook', 0) ?? (await killAgent(0))
    return victim ? `instead ${victim}` : 'nothing done'
  }

  function killRole(kind: 'api' | 'controller' | 'webhook', pick: number): string | undefined {
    const role = aliveRole(kind, pick)
    if (role) signal(role.pid(), 'SIGKILL')
    return role?.name
  }

  async function killPostgres(): Promise<string> {
    const { pid } = bed.postgres
    const backends = await childrenOf(pid)
    kills += 1
    await bed.postgres.kill()
    // They end by themselves once they notice; a new server must not meet them at the same files.
    for (const backend of backends) endIfThere(backend)
    await until('the end of the killed server', async () => {
      const left = await Promise.all(backends.map(parentOf))
      return left.every((parent) => parent === undefined)
    })
    await bed.postgres.restart()
    return 'up again'
  }

  function aliveRole(kind: 'api' | 'controller' | 'webhook', pick: number): RoleProcess | undefined {
    const alive = [...bed.roles.values()].filter((role) => role.name.startsWith(kind) && role.isRunning())
    return alive[Math.floor(pick * alive.length)]
  }

  async function killAgent(pick: number): Promise<string | undefined> {
    const agents = await childrenOf(bed.kubelet.pid)
    const pid = agents[Math.floor(pick * agents.length)]
    const uid = pid === undefined ? undefined : await podOf(pid)
    if (pid === undefined || uid === undefined) return undefined
    struckPods.add(uid)
    signal(pid, 'SIGKILL')
    return `pod ${uid}`
  }

  async function pauseFor(
    target: 'api' | 'controller' | 'redis',
    forMs: number,
    pick: number,
  ): Promise<string> {
    if (target === 'redis') {
      return alone(target, async () => {
        const { pid } = bed.redis
        signal(pid, 'SIGSTOP')
        await pause(forMs)
        signal(pid, 'SIGCONT')
        return 'goes on'
      })
    }
    const role = aliveRole(target, pick)
    if (!role) return `no ${target} is running`
    const pid = role.pid()
    signal(pid, 'SIGSTOP')
    await pause(forMs)
    // It may have been killed meanwhile.
    if (role.pid() === pid && role.isRunning()) signal(pid, 'SIGCONT')
    return `${role.name} goes on`
  }

  async function disturb({
    target,
    mode,
    forMs,
    delayMs,
  }: Extract<Fault, { kind: 'network' }>): Promise<string> {
    const proxy = bed.proxies?.[target]
    if (!proxy) throw new Error('the bed has no proxies')
    return alone(`${target} proxy`, async () => {
      if (mode === 'cut') {
        proxy.cut()
        return 'done'
      }
      proxy.set(mode, { delayMs })
      await pause(forMs)
      proxy.set('pass')
      // Swallowed replies never come: a connection that waits for one would wait for ever.
      proxy.cut()
      return 'passes again'
    })
  }

  async function deletePod(pick: number): Promise<string> {
    const format = 'jsonpath={range .items[*]}{.metadata.name} {.metadata.uid}{"\\n"}{end}'
    const inNamespace = ['-n', bed.namespace, '--request-timeout=3s']
    const { stdout } = await bed.plane.kubectl(['get', 'pods', ...inNamespace, '-o', format])
    const pods = stdout.split('\n').filter((line) => line !== '')
    const [name, uid] = pods[Math.floor(pick * pods.length)]?.split(' ') ?? []
    if (!name || !uid) return 'there is no pod, or no API server'
    struckPods.add(uid)
    const { code, stderr } = await bed.plane.kubectl(['delete', 'pod', name, '--wait=false', ...inNamespace])
    return code === 0 ? `${name} ${uid}` : `${name}: ${stderr.trim()}`
  }

  return {
    begin(planned) {
      const work = run(planned)
        .catch((error: unknown) => void troubles.push(`${describeFault(planned.fault)}: ${String(error)}`))
        .finally(() => underway.delete(work))
      underway.add(work)
    },
    async healed() {
      while (underway.size > 0) await Promise.all(underway)
    },
    kills: () => kills,
    struckPods,
    strangers: strangers.uids,
    troubles,
  }
}

/** Children that live, by the kernel's own list. */
async function childrenOf(parent: number): Promise<readonly number[]> {
  const pids = (await readdir('/proc')).map(Number).filter(Number.isInteger)
  const found = await Promise.all(pids.map(async (pid) => ((await parentOf(pid)) === parent ? [pid] : [])))
  return found.flat().sort((a, b) => a - b)
}

/** undefined for a process that is gone, or a zombie. */
async function parentOf(pid: number): Promise<number | undefined> {
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => '')
  // The program's name is in parentheses and may contain anything.
  const [state, parent] = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  return stat === '' || state === 'Z' ? undefined : Number(parent)
}

async function podOf(pid: number): Promise<string | undefined> {
  const environment = await readFile(`/proc/${pid}/environ`, 'utf8').catch(() => '')
  return /(?:^|\0)GREENROOM_POD_UID=([^\0]+)/.exec(environment)?.[1]
}

function endIfThere(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error
  }
}
