import type { AuditList, AuditView } from '../http/audit-routes.ts'
import { action } from './line/command-spec.ts'
import { formOf, printView } from './line/print-view.ts'
import { formOptions, serverOptions } from './line/shared-options.ts'
import { wholeNumber } from './line/wrong-arguments.ts'
import { openServer } from './reach/server-connection.ts'

/** What the server gives in one answer. */
const pageLength = 500
const most = 100_000

export const audit = action({
  summary: 'Say which credential did what, newest first',
  about: 'It needs a key with the scope admin.',
  options: {
    project: { type: 'string', value: 'PROJECT', help: 'what concerned this project only' },
    limit: { type: 'string', value: 'N', default: '100', help: 'the newest N' },
    ...formOptions,
    ...serverOptions,
  },
  examples: [
    { line: 'greenroom audit --limit 20', does: 'The newest twenty' },
    {
      line: `greenroom audit -o jsonpath='{range .entries[?(@.action=="session.end")]}{.at} {.by.id}{"\\n"}{end}'`,
      does: 'Who ended sessions',
    },
  ],
  async run({ options }) {
    const form = formOf(options)
    const limit = wholeNumber('--limit', options.limit, [1, most])
    await using server = await openServer(options)
    const entries: AuditView[] = []
    for (let cursor: string | undefined, more = true; more; ) {
      const query = new URLSearchParams({
        limit: String(Math.min(pageLength, limit - entries.length)),
        ...(options.project !== undefined && { projectId: options.project }),
        ...(cursor !== undefined && { cursor }),
      })
      const page = await server.ask<AuditList>(`/v1/audit?${query.toString()}`)
      entries.push(...page.entries)
      cursor = page.nextCursor
      more = cursor !== undefined && entries.length < limit
    }
    printView(
      {
        document: { entries },
        rows: entries,
        nameOf: ({ id }) => `audit/${id}`,
        empty: 'Nothing is noted yet.',
        columns: [
          { title: 'AT', of: ({ at }) => at },
          { title: 'BY', of: ({ by }) => by.id },
          { title: 'KIND', of: ({ by }) => by.kind, wide: true },
          { title: 'ACTION', of: (entry) => entry.action },
          { title: 'SUBJECT', of: ({ subject }) => subject },
          { title: 'PROJECT', of: ({ projectId }) => projectId ?? '-' },
        ],
      },
      form,
    )
  },
})
