import type { RevisionReport, RolloutReport } from '../domain/rollout-report.ts'
import { action, actionGroup } from './line/command-spec.ts'
import { exitCode } from './line/exit-code.ts'
import { formOf, printView, type View } from './line/print-view.ts'
import { formOptions, serverOptions } from './line/shared-options.ts'
import { openServer } from './reach/server-connection.ts'
import { textTable } from './text-table.ts'

const steps = {
  status: {
    summary: 'Show which revision the pods of a pool have, and how far the roll-out is',
    method: 'GET',
    path: '',
  },
  undo: {
    summary: 'Make pods from the last good template before, until that of the document changes',
    method: 'POST',
    path: '/undo',
  },
  pause: { summary: 'Replace no pod until resume', method: 'POST', path: '/pause' },
  resume: {
    summary: 'End a pause or an undo, and try a canary that failed again',
    method: 'POST',
    path: '/resume',
  },
} as const

const actions = Object.fromEntries(
  Object.entries(steps).map(([name, { summary, method, path }]) => [
    name,
    action({
      summary,
      arguments: [{ name: 'AGENT-TYPE', help: 'the pool', kind: 'pool' }],
      options: { ...formOptions, ...serverOptions },
      exits: { 1: 'a canary failed' },
      examples: [{ line: `greenroom pools rollout ${name} echo-agent`, does: summary }],
      async run({ words: [agentType = ''], options }) {
        const form = formOf(options)
        await using server = await openServer(options)
        const address = `/v1/pools/${encodeURIComponent(agentType)}/rollout${path}`
        const report = await server.ask<RolloutReport>(address, { method })
        printView(viewOf(report), form)
        return report.phase === 'stopped' ? exitCode.found : exitCode.done
      },
    }),
  ]),
)

export const rollout = actionGroup({
  summary: 'Show, undo, pause or resume the roll-out of a pool',
  about: 'docs/rollout.md says how pods are replaced.',
  actions,
  examples: [{ line: 'greenroom pools rollout status echo-agent', does: 'How far it is' }],
})

function viewOf(report: RolloutReport): View<RevisionReport> {
  return {
    document: report,
    rows: report.revisions,
    before: headOf(report),
    nameOf: ({ revision }) => `revision/${revision}`,
    empty: 'The pool has no revision yet.',
    columns: [
      { title: 'REVISION', of: ({ revision }) => revision },
      {
        title: 'VERDICT',
        of: ({ verdict }) => verdict,
        tone: ({ verdict }) => (verdict === 'good' ? 'good' : verdict === 'failed' ? 'bad' : 'doubtful'),
      },
      { title: 'SINCE', of: ({ since }) => since },
      { title: 'IMAGE', of: ({ image }) => image },
      { title: 'ROW', of: ({ policyDigest }) => policyDigest ?? '-' },
      { title: 'KEY', of: ({ assignKeyId }) => assignKeyId?.slice(0, 8) ?? '-' },
    ],
  }
}

function headOf({ agentType, phase, message, target, pods, canary }: RolloutReport): string {
  const counts = [
    ['', 'IDLE', 'CLAIMED'],
    ['of the target', String(pods.fresh.idle), String(pods.fresh.claimed)],
    ['others', String(pods.drifted.idle), String(pods.drifted.claimed)],
  ]
  const trial = canary
    ? [`canary: ${canary.passed} of ${canary.pods} pods have served or were Ready for ${canary.seconds} s`]
    : []
  return [
    `${agentType}: ${phase}. ${message}`,
    `new pods are made from ${target.image} (template ${target.templateHash})`,
    ...trial,
    textTable(counts),
  ].join('\n')
}
