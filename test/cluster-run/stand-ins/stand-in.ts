import { spawn } from 'node:child_process'
import { runPostgres } from './postgres.ts'
import { runService } from './service.ts'

/**
 * Process 1 of every stand-in. `STAND_IN` says what it stands for: `postgres` and `redis` are the real programs of Debian,
 * everything else is an HTTP server that wants what the manifest has to give it. Arguments that name another program run it,
 * as the entry points of the images do: `psql …`, `/bin/bash`.
 */

const { STAND_IN: role } = process.env
const args = process.argv.slice(2)
const [first] = args

if (role === 'postgres' && (first === undefined || first === 'postgres')) await runPostgres(args.slice(1))
else if (role === 'redis' && (first === undefined || first.startsWith('-'))) replace('redis-server', args)
// What the real program is told, such as `serve`, is not for a shell.
else if (role === 'service') await runService()
else if (first !== undefined) replace(first, args.slice(1))
else throw new Error('STAND_IN says what this container stands for: postgres, redis or service')

/** Runs it as a child that gets our signals; ends as it ends. */
function replace(program: string, args: readonly string[]): void {
  const child = spawn(program, args, { stdio: 'inherit' })
  for (const signal of ['SIGTERM', 'SIGINT'] as const) process.on(signal, () => child.kill(signal))
  child.once('error', ({ message }) => {
    console.error(message)
    process.exitCode = 127
  })
  child.once('close', (code) => {
    process.exitCode = code ?? 143
  })
}
