import { execFile } from 'node:child_process'
import { readFile } from 'node:fs/promises'
import { promisify } from 'node:util'
import { startProgram } from '../../bed/processes/start-program.ts'
import { UsageError } from './usage-error.ts'

/** The controller program of agent-sandbox that the caller has built. */
export interface SandboxController {
  readonly pid: number
  /** Gives what the work gives; rejects with the last lines of the controller's log if it ends before. */
  whileRunning<T>(work: Promise<T>): Promise<T>
  /** The end of its log. */
  lastWords(): Promise<string>
  stop(): Promise<void>
}

interface ControllerOptions {
  readonly program: string
  /** Beside those that it always gets. */
  readonly flags: readonly string[]
  readonly kubeconfigPath: string
  readonly logPath: string
  readonly say: (line: string) => void
}

/** One replica that leads at once, without webhooks and without ports of its own. */
const givenFlags = [
  '--extensions=true',
  '--leader-elect=false',
  '--enable-webhook=false',
  '--metrics-bind-address=0',
  '--health-probe-bind-address=0',
]
const helpTimeoutMs = 20_000
const lastCharacters = 2_000

/** @throws UsageError if the program cannot be run or is another one. */
export async function startSandboxController(options: ControllerOptions): Promise<SandboxController> {
  const { program: command, flags, kubeconfigPath, logPath, say } = options
  const known = await readFlagNames(command)
  if (!known.has('extensions'))
    throw new UsageError(`${command} is no agent-sandbox controller: its --help has no flag --extensions`)
  const { taken, unknown } = sortFlags([...givenFlags, ...flags], known)
  say(`agent-sandbox runs with ${taken.join(' ')}`)
  if (unknown.length > 0) say(`left out, because its --help does not have them: ${unknown.join(' ')}`)
  const env = { PATH: process.env.PATH, HOME: process.env.HOME, KUBECONFIG: kubeconfigPath }
  const program = await startProgram({ command, args: taken, env, logPath })
  const lastWords = async () => (await readFile(logPath, 'utf8')).slice(-lastCharacters)
  const ended = program.ended.then(async ({ code, signal }): Promise<never> => {
    const how = signal ?? `exit code ${code}`
    throw new Error(`the agent-sandbox controller ended (${how}):\n${await lastWords()}`)
  })
  // Heard by whoever waits for something next; at the end nobody does.
  ended.catch(() => undefined)
  return {
    pid: program.pid,
    whileRunning: (work) => Promise.race([work, ended]),
    lastWords,
    stop: () => program.stop(),
  }
}

/** Names of the flags in the text that `--help` prints, in the style of Go (`  -name type`). */
export async function readFlagNames(program: string): Promise<ReadonlySet<string>> {
  const { stdout, stderr } = await promisify(execFile)(program, ['--help'], { timeout: helpTimeoutMs }).catch(
    (error: Error) => {
      throw new UsageError(`the controller program cannot be run: ${error.message}`)
    },
  )
  return new Set([...`${stdout}\n${stderr}`.matchAll(/^\s+--?([a-z][\w-]*)/gm)].map(([, name = '']) => name))
}

/** A version that lacks one of the flags runs without it. */
export function sortFlags(wanted: readonly string[], known: ReadonlySet<string>) {
  const isKnown = (flag: string) => known.has(flag.replace(/^--?/, '').replace(/=.*$/, ''))
  return { taken: wanted.filter(isKnown), unknown: wanted.filter((flag) => !isKnown(flag)) }
}
