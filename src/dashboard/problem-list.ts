import type { StatusProblem, StatusReport } from '../domain/status-report.ts'
import { build, byId, setText } from './build-element.ts'
import { createCommandLine } from './copy-button.ts'
import { createKeyedList, type KeyedRow } from './keyed-list.ts'
import type { Known } from './reading.ts'
import { momentElement, showMoment } from './time-text.ts'

/** More would not be read at night; the first ones are those that explain the rest. */
const shownAtMost = 30

/** What needs attention: what is wrong, why, since when, and what to type. */
export function createProblemList() {
  const list = createKeyedList<StatusProblem>(byId('problems'), {
    keyOf: ({ code, subject }) => `${code} ${subject}`,
    make: makeProblem,
  })
  return {
    show({ value, trouble }: Known<StatusReport>) {
      const problems = value?.problems ?? []
      list.show(problems.slice(0, shownAtMost))
      const hidden = problems.length - shownAtMost
      // A project's key is told the state and not the problems of all.
      const isTold = value?.state === 'attention' && problems.length === 0
      const none = byId('no-problems')
      none.hidden = !value || trouble !== undefined || (problems.length > 0 && hidden <= 0)
      if (hidden > 0) setText(none, `${hidden} more. The command "greenroom status" lists all.`)
      else
        setText(
          none,
          isTold
            ? 'Something needs the attention of the operators. This credential is not shown what.'
            : 'Nothing needs attention.',
        )
    },
  }
}

function makeProblem(): KeyedRow<StatusProblem> {
  const what = build('h3')
  const cause = build('p', { class: 'cause' })
  const code = build('span', { class: 'mono' })
  const since = momentElement(undefined)
  const sinceText = build('span', {}, 'since ', since)
  const command = createCommandLine()
  const facts = build('p', { class: 'soft' }, code, sinceText)
  const node = build('li', {}, what, cause, facts, command.node)
  return {
    node,
    show(problem) {
      setText(what, problem.what)
      setText(cause, problem.cause)
      setText(code, problem.code)
      sinceText.hidden = problem.since === undefined
      showMoment(since, problem.since)
      command.show(problem.command)
    },
  }
}
