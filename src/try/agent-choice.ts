import { type Client, GreenroomApiError, type PoolReport } from '../client/client.ts'
import { element, type Notice } from './page-element.ts'

interface ChoiceEvents {
  onUnknownKey(): void
  onTrouble(notice: Notice | undefined): void
}

export interface AgentChoice {
  follow(client: Client, events: ChoiceEvents): void
  stop(): void
}

/** How often the counts are read again while they are shown. */
const lookMs = 3_000

/** The pools as choices, with how many pods of each are warm. */
export function createAgentChoice(): AgentChoice {
  let looking = new AbortController()

  async function look(client: Client, events: ChoiceEvents, { signal }: AbortController): Promise<void> {
    let wasAway = false
    while (!signal.aborted) {
      try {
        const { pools } = await client.pools.list({ signal })
        if (wasAway) events.onTrouble(undefined)
        wasAway = false
        show(pools)
      } catch (error) {
        if (signal.aborted) return
        if (error instanceof GreenroomApiError && error.status === 401) return events.onUnknownKey()
        wasAway = true
        const text = error instanceof Error ? error.message : ''
        events.onTrouble({
          title: 'The session API does not answer.',
          text: `${text} This page keeps trying.`,
        })
      }
      await new Promise((resolve) => setTimeout(resolve, lookMs))
    }
  }

  return {
    follow(client, events) {
      looking.abort()
      looking = new AbortController()
      void look(client, events, looking)
    },
    stop: () => looking.abort(),
  }
}

export function chosenAgent(): string | undefined {
  return document.querySelector<HTMLInputElement>('[name="agent"]:checked')?.value
}

function show(pools: readonly PoolReport[]): void {
  const list = element('agents')
  element('no-agents').hidden = pools.length > 0
  element('start', HTMLButtonElement).disabled = pools.length === 0
  const names = pools.map(({ agentType }) => agentType)
  const shown = [...list.querySelectorAll<HTMLInputElement>('input')].map(({ value }) => value)
  // Made anew only when a pool comes or goes: focus and choice stay.
  if (names.join() !== shown.join()) {
    const before = chosenAgent()
    list.replaceChildren(...pools.map(choiceOf))
    const kept = names.includes(before ?? '') ? before : names[0]
    const input = list.querySelector<HTMLInputElement>(`input[value="${CSS.escape(kept ?? '')}"]`)
    if (input) input.checked = true
  }
  pools.forEach((pool, n) => count(list.children[n], pool))
}

function choiceOf({ agentType }: PoolReport): HTMLElement {
  const label = document.createElement('label')
  label.className = 'choice'
  const input = Object.assign(document.createElement('input'), {
    type: 'radio',
    name: 'agent',
    value: agentType,
  })
  const text = document.createElement('span')
  const name = Object.assign(document.createElement('b'), { textContent: agentType })
  text.append(name, document.createElement('small'))
  label.append(input, text, Object.assign(document.createElement('span'), { className: 'ready' }))
  return label
}

function count(label: Element | undefined, { ready, claimed, warming, message }: PoolReport): void {
  if (!label) return
  label.classList.toggle('empty', ready === 0)
  const hint = label.querySelector('small')
  const counts = label.querySelector('.ready')
  if (counts) counts.textContent = ready === 0 ? 'none ready' : `${ready} ready`
  if (!hint) return
  if (ready > 0) hint.textContent = claimed === 1 ? '1 in conversation' : `${claimed} in conversation`
  else if (warming > 0) hint.textContent = `${warming} starting; a session waits for the first`
  else hint.textContent = message ?? 'A session waits for the next pod'
}
