import type { PoolReport } from '../client/api-types.ts'
import type { RolloutReport } from '../domain/rollout-report.ts'
import { build, buildButton } from './build-element.ts'
import type { DashboardApi } from './dashboard-api.ts'
import { askFirst } from './question.ts'
import { askForSize } from './size-question.ts'

interface PoolActionsOptions {
  readonly agentType: string
  readonly api: () => DashboardApi
  readonly done: () => void
}

interface Order {
  /** Of the button and of the question: "Freeze", "the pool". */
  readonly verb: string
  readonly what: string
  readonly path: string
  /** What will happen. */
  readonly text: string
  readonly said: string
  readonly danger?: boolean
}

const orders = {
  freeze: {
    verb: 'Freeze',
    what: 'the pool',
    path: 'freeze',
    text: 'No pod of it is made, replaced or removed until it is thawed. Claims go on with the pods that are there. ConfigMap agent-pools is changed.',
    said: 'The pool is frozen.',
    danger: true,
  },
  thaw: {
    verb: 'Thaw',
    what: 'the pool',
    path: 'thaw',
    text: 'The controller makes and removes its pods again. ConfigMap agent-pools is changed.',
    said: 'The pool is thawed.',
  },
  pause: {
    verb: 'Pause',
    what: 'the roll-out',
    path: 'rollout/pause',
    text: 'No pod is replaced until it is resumed.',
    said: 'The roll-out is paused.',
  },
  resume: {
    verb: 'Resume',
    what: 'the roll-out',
    path: 'rollout/resume',
    text: 'It goes on after a pause or an undo, and tries a failed canary again.',
    said: 'The roll-out goes on.',
  },
  undo: {
    verb: 'Undo',
    what: 'the roll-out',
    path: 'rollout/undo',
    text: 'Pods are made from the template before, until that of the document changes. Claimed pods stay.',
    said: 'The roll-out is undone.',
    danger: true,
  },
} as const satisfies Readonly<Record<string, Order>>

/** What may be done with a pool; each asks first and is noted in the audit log. */
export function createPoolActions(options: PoolActionsOptions) {
  let pool: PoolReport | undefined
  const size = buildButton('Change its size', () => {
    if (pool) askForSize({ ...options, desired: pool.desired })
  })
  const [freeze, thaw] = [orderButton(orders.freeze, options), orderButton(orders.thaw, options)]
  const pause = orderButton(orders.pause, options)
  const resume = orderButton(orders.resume, options)
  const undo = orderButton(orders.undo, options)
  const retire = buildButton('Retire a pod', () => askToRetire(options))
  // Which of two is offered is known when the roll-out is.
  for (const button of [pause, resume, undo]) button.hidden = true
  return {
    node: build('div', { class: 'buttons' }, size, freeze, thaw, pause, resume, undo, retire),
    showPool(report: PoolReport) {
      pool = report
      freeze.hidden = report.boundBy === 'frozen'
      thaw.hidden = !freeze.hidden
    },
    showRollout({ phase, revisions }: RolloutReport) {
      const isHeld = phase === 'paused' || phase === 'undone' || phase === 'stopped'
      pause.hidden = isHeld
      resume.hidden = !isHeld
      undo.hidden = phase === 'undone' || revisions.length < 2
    },
  }
}

function poolPath(agentType: string): string {
  return `/v1/pools/${encodeURIComponent(agentType)}`
}

function orderButton(order: Order, { agentType, api, done }: PoolActionsOptions): HTMLButtonElement {
  const { verb, what, path, text, said, danger = false } = order
  return buildButton(`${verb} ${what}`, () =>
    askFirst({
      title: what === 'the pool' ? `${verb} ${agentType}?` : `${verb} ${what} of ${agentType}?`,
      text,
      yes: `${verb} it`,
      danger,
      async act() {
        await api().ask(`${poolPath(agentType)}/${path}`, { method: 'POST' })
        done()
        return said
      },
    }),
  )
}

function askToRetire({ agentType, api, done }: PoolActionsOptions): void {
  const name = build('input', { type: 'text', id: 'retire-pod' })
  name.required = true
  name.autocomplete = 'off'
  name.spellcheck = false
  askFirst({
    title: `Retire a pod of ${agentType}?`,
    text: 'An idle pod is taken out of service for good and a fresh one takes its place. A pod that a session has is refused.',
    body: build('div', { class: 'field' }, build('label', { for: 'retire-pod' }, 'Name of the pod'), name),
    yes: 'Retire the pod',
    danger: true,
    async act() {
      const pod = name.value.trim()
      const path = `${poolPath(agentType)}/pods/${encodeURIComponent(pod)}/retire`
      await api().ask(path, { method: 'POST' })
      done()
      return `Pod ${pod} is retired.`
    },
  })
}
