import type { FollowedEvent } from '../../client/event-iteration.ts'
import { eventTypes } from '../../domain/event.ts'
import { bareName } from '../line/bare-name.ts'
import { action } from '../line/command-spec.ts'
import { serverOptions } from '../line/shared-options.ts'
import { wrongArguments } from '../line/wrong-arguments.ts'
import { openServer, type ServerConnection } from '../reach/server-connection.ts'

export const followSession = action({
  summary: 'Print what happens to a session, or to all of them and to the pools, as it happens',
  about:
    'With an ID: from the begin of the session to its end. Without: from now on, until Ctrl-C. It goes on by itself when the connection breaks.',
  arguments: [{ name: 'ID', help: 'the id of a session', kind: 'session', optional: true }],
  options: {
    event: { type: 'string', multiple: true, value: 'TYPE', words: eventTypes, help: 'these events only' },
    type: { type: 'string', value: 'AGENT-TYPE', help: 'of this pool only' },
    project: { type: 'string', value: 'PROJECT', help: 'of this project only' },
    after: { type: 'string', value: 'EVENT-ID', help: 'what came after this event; 0: all that is kept' },
    output: {
      type: 'string',
      short: 'o',
      value: 'FORM',
      words: ['table', 'json'],
      help: 'json: an object a line',
    },
    json: { type: 'boolean', help: 'as -o json' },
    ...serverOptions,
  },
  examples: [
    { line: 'greenroom sessions follow ID', does: 'One session, until it has ended' },
    {
      line: 'greenroom sessions follow --event session.ended --type echo-agent --json',
      does: 'For other programs',
    },
  ],
  async run({ words: [text], options }) {
    const { event: types, type: agentType, project: projectId, after } = options
    if (text !== undefined && (types ?? agentType ?? projectId) !== undefined)
      throw wrongArguments('With an ID, --event, --type and --project mean nothing.')
    const asJson = options.json === true || options.output === 'json'
    await using server = await openServer(options)
    for await (const event of eventsOf(server, text, { types, agentType, projectId, after }))
      process.stdout.write(`${asJson ? JSON.stringify(event) : lineOf(event)}\n`)
  },
})

type Wanted = NonNullable<Parameters<ServerConnection['client']['events']>[0]>

function eventsOf(
  { client }: ServerConnection,
  text: string | undefined,
  { types, ...wanted }: Omit<Wanted, 'types'> & { readonly types: readonly string[] | undefined },
): AsyncIterable<FollowedEvent> {
  if (text !== undefined) return client.sessions.events(bareName('session', text), wanted)
  return client.events({ ...wanted, types: types as Wanted['types'] })
}

/** Time, type, whom it concerns, and what more there is to say. */
function lineOf(event: FollowedEvent): string {
  if (event.type === 'reset') return `reset after ${event.after}: ${event.reason}`
  const { at, type, id: _, ...facts } = event
  const told = Object.entries(facts).map(([name, value]) => `${name}=${wordOf(value)}`)
  return [at, type, ...told].join('  ')
}

function wordOf(value: unknown): string {
  const text = typeof value === 'string' ? value : JSON.stringify(value)
  return /[\s\p{Cc}]/u.test(text) ? JSON.stringify(text) : text
}
