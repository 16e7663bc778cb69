import type { PoolChange } from '../domain/pool-change.ts'
import { build } from './build-element.ts'
import { createCommandLine } from './copy-button.ts'
import type { DashboardApi } from './dashboard-api.ts'
import { askFirst, type Question } from './question.ts'

interface SizeQuestion {
  readonly agentType: string
  readonly desired: { readonly min: number; readonly max: number }
  readonly api: () => DashboardApi
  readonly done: () => void
}

/** Asks for the numbers, shows what would change in the ConfigMap, and writes it when that is confirmed. */
export function askForSize({ agentType, desired, api, done }: SizeQuestion): void {
  const min = numberField('size-min', desired.min)
  const max = numberField('size-max', desired.max)
  const write = (body: { readonly min: number; readonly max: number; readonly dryRun: boolean }) =>
    api().ask<PoolChange>(`/v1/pools/${encodeURIComponent(agentType)}/size`, { method: 'POST', body })
  askFirst({
    title: `Change the size of ${agentType}`,
    text: 'The numbers of the ConfigMap agent-pools. Nothing is written before you have seen what changes.',
    body: build(
      'div',
      { class: 'fields' },
      build('div', { class: 'field' }, build('label', { for: 'size-min' }, 'Idle pods, at least'), min),
      build('div', { class: 'field' }, build('label', { for: 'size-max' }, 'Pods in all, at most'), max),
    ),
    yes: 'Show what changes',
    async act() {
      const size = { min: min.valueAsNumber, max: max.valueAsNumber }
      const change = await write({ ...size, dryRun: true })
      if (change.diff === '') throw new Error('Nothing would change: the document has these numbers.')
      return change.writable
        ? writeQuestion(change, async () => {
            await write({ ...size, dryRun: false })
            done()
          })
        : byHandQuestion(change)
    },
  })
}

function writeQuestion({ agentType, diff }: PoolChange, write: () => Promise<void>): Question {
  return {
    title: `Write the size of ${agentType}?`,
    text: 'This is what changes in the ConfigMap agent-pools.',
    body: diffElement(diff),
    yes: 'Write it',
    async act() {
      await write()
      return 'The size is written.'
    },
  }
}

/** Where agent-pools is kept in Git, say: the API shows the change and does not make it. */
function byHandQuestion({ agentType, diff, command: typed }: PoolChange): Question {
  const command = createCommandLine()
  command.show(typed)
  return {
    title: `The size of ${agentType} is changed elsewhere`,
    text: 'This installation does not let the API change the ConfigMap agent-pools. This is what to change, and how to by hand:',
    body: build('div', {}, diffElement(diff), command.node),
    yes: 'Understood',
    act: async () => 'Nothing was changed.',
  }
}

/** Lines as `diff -u` has them; added and removed ones are told by their sign as well as by colour. */
function diffElement(diff: string): HTMLPreElement {
  const lines = build('pre', { class: 'diff', tabindex: '0', 'aria-label': 'What changes' })
  for (const line of diff.trimEnd().split('\n')) {
    const kind = line.startsWith('+') ? 'added' : line.startsWith('-') ? 'removed' : 'same'
    lines.append(build('span', { class: kind }, `${line}\n`))
  }
  return lines
}

function numberField(id: string, value: number): HTMLInputElement {
  const field = build('input', { type: 'number', id, min: '0', value: String(value) })
  field.required = true
  field.step = '1'
  return field
}
