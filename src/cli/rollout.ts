import { parseArgs } from 'node:util'
import type { RevisionReport, RolloutReport } from '../domain/rollout-report.ts'
import { GreenroomError } from '../errors.ts'
import { askServer, printingRefusals, serverOptions } from './ask-server.ts'
import type { CommandProgram } from './command.ts'
import { textTable } from './text-table.ts'

const usage = `usage: rollout status|undo|pause|resume AGENT-TYPE [--json]
status        which revision the pods of a pool have, and how far the roll-out is
undo          makes pods from the last good template before, until that of the document changes
pause         replaces no pod until resume
resume        ends a pause or an undo, and tries a canary that failed again
--json        prints the answer of the API
--server URL  the session API (default: GREENROOM_API_URL)
--key KEY     an API key (default: GREENROOM_API_KEY)
Exit code: 0 all is well; 1 a canary failed; 2 it could not be done, or the arguments are wrong.`

const stoppedCode = 1
const actions = ['status', 'undo', 'pause', 'resume'] as const
type Action = (typeof actions)[number]

export const rollout: CommandProgram = { usage, run: runRollout }

async function runRollout(argv: readonly string[]): Promise<number> {
  return printingRefusals(async () => {
    const { action, agentType, json, ...server } = readArguments(argv)
    const path = `/v1/pools/${encodeURIComponent(agentType)}/rollout`
    const report =
      action === 'status'
        ? await askServer<RolloutReport>(path, server)
        : await askServer<RolloutReport>(`${path}/${action}`, server, { method: 'POST' })
    process.stdout.write(json ? `${JSON.stringify(report, undefined, 2)}\n` : inWords(report))
    return report.phase === 'stopped' ? stoppedCode : 0
  })
}

function inWords({ agentType, phase, message, target, pods, canary, revisions }: RolloutReport): string {
  const counts = [
    ['', 'IDLE', 'CLAIMED'],
    ['of the target', String(pods.fresh.idle), String(pods.fresh.claimed)],
    ['others', String(pods.drifted.idle), String(pods.drifted.claimed)],
  ]
  const trial = canary
    ? [`canary: ${canary.passed} of ${canary.pods} pods have served or were Ready for ${canary.seconds} s`]
    : []
  return `${[
    `${agentType}: ${phase}. ${message}`,
    `new pods are made from ${target.image} (template ${target.templateHash})`,
    ...trial,
    textTable(counts),
    textTable([['REVISION', 'VERDICT', 'SINCE', 'IMAGE', 'ROW', 'KEY'], ...revisions.map(rowOf)]),
  ].join('\n')}\n`
}

function rowOf({ revision, verdict, since, image, policyDigest, assignKeyId }: RevisionReport): string[] {
  return [revision, verdict, since, image, policyDigest ?? '-', assignKeyId?.slice(0, 8) ?? '-']
}

function readArguments(argv: readonly string[]) {
  const { values, positionals } = parsed(argv)
  const [action, agentType, ...rest] = positionals
  if (!isAction(action)) throw wrong(`${actions.join(', ')}?`)
  if (agentType === undefined) throw wrong('the AGENT-TYPE is missing')
  if (rest.length > 0) throw wrong(`${rest.join(' ')} is too much`)
  return { action, agentType, ...values }
}

function parsed(argv: readonly string[]) {
  try {
    const options = { json: { type: 'boolean', default: false }, ...serverOptions } as const
    return parseArgs({ args: [...argv], allowPositionals: true, options })
  } catch (error) {
    throw wrong(error instanceof Error ? error.message : String(error))
  }
}

function isAction(word: string | undefined): word is Action {
  return actions.some((action) => action === word)
}

function wrong(problem: string): GreenroomError {
  return new GreenroomError('GRN_INVALID_CONFIG', `${problem}\n${usage}\n`)
}
