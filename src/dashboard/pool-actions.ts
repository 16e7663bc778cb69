import type { RolloutReport } from '../domain/rollout-report.ts'
import { build, buildButton } from './build-element.ts'
import type { DashboardApi } from './dashboard-api.ts'
import { askFirst } from './question.ts'

interface PoolActionsOptions {
  readonly agentType: string
  readonly api: () => DashboardApi
  readonly done: () => void
}

/** What may be done with a pool; each asks first and is noted in the audit log. */
export function createPoolActions({ agentType, api, done }: PoolActionsOptions) {
  const path = `/v1/pools/${encodeURIComponent(agentType)}`

  const post = async (order: string, said: string) => {
    await api().ask(`${path}/${order}`, { method: 'POST' })
    done()
    return said
  }
  const pause = buildButton('Pause the roll-out', () =>
    askFirst({
      title: `Pause the roll-out of ${agentType}?`,
      text: 'No pod is replaced until it is resumed.',
      yes: 'Pause it',
      act: () => post('rollout/pause', 'The roll-out is paused.'),
    }),
  )
  const resume = buildButton('Resume the roll-out', () =>
    askFirst({
      title: `Resume the roll-out of ${agentType}?`,
      text: 'It goes on after a pause or an undo, and tries a failed canary again.',
      yes: 'Resume it',
      act: () => post('rollout/resume', 'The roll-out goes on.'),
    }),
  )
  const undo = buildButton('Undo the roll-out', () =>
    askFirst({
      title: `Undo the roll-out of ${agentType}?`,
      text: 'Pods are made from the template before, until that of the document changes. Claimed pods stay.',
      yes: 'Undo it',
      danger: true,
      act: () => post('rollout/undo', 'The roll-out is undone.'),
    }),
  )

  return {
    node: build('div', { class: 'buttons' }, pause, resume, undo),
    showRollout({ phase, revisions }: RolloutReport) {
      const isHeld = phase === 'paused' || phase === 'undone' || phase === 'stopped'
      pause.hidden = isHeld
      resume.hidden = !isHeld
      undo.hidden = phase === 'undone' || revisions.length < 2
    },
  }
}
