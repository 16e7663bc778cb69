import { errorCatalogue } from '../error-catalogue.ts'

/** Prints `docs/errors.md`: `node src/cli/errors-page.ts > docs/errors.md`. */

const opening = `# Errors

Every answer that is not a success is \`application/problem+json\` (RFC 9457) with one of these codes in \`code\`, the
sentence for the case at hand in \`detail\`, and the \`requestId\` that is in the header \`x-request-id\` and in the logs too: the caller's own
\`x-request-id\` if it sent one of at most 128 letters, digits and \`._:+/=@-\`, else a new one. Codes are stable: branch on
them, not on titles. Where \`Retry-After\` or \`retryAfterMs\` is given, a retry is worthwhile after that time.
Denials of the admission webhook and refused ConfigMaps carry the same codes in their message.

This page is generated from \`src/error-catalogue.ts\` by \`node src/cli/errors-page.ts\`; a test holds the two together.
`

/** The page as Markdown, codes by status and then by name. */
export function errorsPage(): string {
  const rows = Object.entries(errorCatalogue)
    .sort(([aCode, a], [bCode, b]) => a.status - b.status || (aCode < bCode ? -1 : 1))
    .map(([code, { status, title, remedy }]) => `| \`${code}\` | ${status} | ${title} | ${remedy} |`)
  return [opening, '| code | status | what happened | what to do |', '|---|---|---|---|', ...rows, ''].join(
    '\n',
  )
}

if (import.meta.main) process.stdout.write(errorsPage())
