export interface MessageLog {
  clear(): void
  /** What the person wrote. */
  own(text: string): void
  /** All of one message of the agent so far. */
  agent(messageId: string, text: string): void
}

/** The messages, oldest first. The first answer to a message shows how long it took. */
export function createMessageLog(log: HTMLElement): MessageLog {
  const shown = new Map<string, Text>()
  let askedAt: number | undefined

  function add(kind: 'own' | 'agent', text: string): Text {
    const paragraph = document.createElement('p')
    const who = document.createElement('span')
    who.className = 'unseen'
    who.textContent = kind === 'own' ? 'You: ' : 'Agent: '
    const words = document.createTextNode(text)
    paragraph.className = kind
    paragraph.append(who, words)
    if (kind === 'agent' && askedAt !== undefined) {
      const took = document.createElement('small')
      took.textContent = `${Math.round(performance.now() - askedAt)} ms`
      paragraph.append(took)
      askedAt = undefined
    }
    log.append(paragraph)
    log.scrollTop = log.scrollHeight
    return words
  }

  return {
    clear() {
      shown.clear()
      askedAt = undefined
      log.replaceChildren()
    },
    own(text) {
      add('own', text)
      askedAt = performance.now()
    },
    agent(messageId, text) {
      const words = shown.get(messageId)
      if (words) words.data = text
      else shown.set(messageId, add('agent', text))
    },
  }
}
