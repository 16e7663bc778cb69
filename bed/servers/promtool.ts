import { spawnSync } from 'node:child_process'
import { findPrometheus } from '../set-up/binaries.ts'

interface PromtoolOutcome {
  readonly code: number
  /** Both streams: promtool writes its findings to either. */
  readonly output: string
}

/** Runs promtool to its end. Throws where set-up has not provided it. */
export function promtool(args: readonly string[], input?: string): PromtoolOutcome {
  const programs = findPrometheus()
  if (!programs) throw new Error('promtool is missing: run "npm run setup -- --tests" first')
  const { status, stdout, stderr } = spawnSync(programs.promtool, args, { input, encoding: 'utf8' })
  return { code: status ?? 1, output: `${stdout}${stderr}` }
}
