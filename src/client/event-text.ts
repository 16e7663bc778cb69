/** One block of a stream of server-sent events. */
export interface EventBlock {
  readonly id: string | undefined
  readonly event: string | undefined
  readonly data: string | undefined
  /** When to come back after the stream has ended, ms. */
  readonly retryMs: number | undefined
}

/** Longer than any event; what goes on without an end is no stream of ours. */
const longestBlock = 1024 * 1024

/** Takes the text of a stream as it comes; returns the blocks that are whole. Throws when one does not end. */
export function createEventText(): (chunk: string) => readonly EventBlock[] {
  let rest = ''
  return (chunk) => {
    // The server writes \n alone; a proxy that rewrites text may not.
    const blocks = (rest + chunk).replaceAll('\r\n', '\n').split('\n\n')
    rest = blocks.pop() ?? ''
    if (rest.length > longestBlock) throw new Error('this is no stream of events')
    return blocks.map(blockOf)
  }
}

function blockOf(text: string): EventBlock {
  const fields = new Map<string, string>()
  for (const line of text.split('\n')) {
    const [, name = '', value = ''] = /^([^:]*)(?:: ?(.*))?$/.exec(line) ?? []
    const before = fields.get(name)
    fields.set(name, name === 'data' && before !== undefined ? `${before}\n${value}` : value)
  }
  const retry = fields.get('retry')
  return {
    id: fields.get('id'),
    event: fields.get('event'),
    data: fields.get('data'),
    retryMs: retry !== undefined && /^\d{1,7}$/.test(retry) ? Number(retry) : undefined,
  }
}
