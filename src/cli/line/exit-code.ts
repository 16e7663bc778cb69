import { GreenroomApiError } from '../../client/client-error.ts'
import { GreenroomError } from '../../errors.ts'

/** What the program ends with. docs/cli.md has this table, and scripts rely on it. */
export const exitCode = {
  done: 0,
  found: 1,
  usage: 2,
  notFound: 3,
  poolEmpty: 4,
  refused: 5,
  unreachable: 6,
} as const

export type ExitCode = (typeof exitCode)[keyof typeof exitCode]

export const exitCodeMeanings: Readonly<Record<ExitCode, string>> = {
  0: 'done, and all is well',
  1: 'done, and something was found: a broken invariant, a denied pod, a failed canary',
  2: 'the arguments, the environment or a file are wrong',
  3: 'there is no such pool, session, key or project',
  4: 'no warm pod became free in time',
  5: 'refused: by rights, a limit, a policy, or because of the state that it is in',
  6: 'a server, the cluster or a store did not answer, or failed',
}

/** Codes that mean something else here than their HTTP status says. */
const exceptions: Readonly<Record<string, ExitCode>> = {
  GRN_POOL_EMPTY: exitCode.poolEmpty,
  GRN_INVALID_CONFIG: exitCode.usage,
  GRN_SCHEMA_OUTDATED: exitCode.refused,
}

const byStatus: Readonly<Record<number, ExitCode>> = {
  400: exitCode.usage,
  401: exitCode.refused,
  403: exitCode.refused,
  404: exitCode.notFound,
  409: exitCode.refused,
  413: exitCode.usage,
  422: exitCode.usage,
  429: exitCode.refused,
}

export function exitCodeOf({ code, status }: GreenroomError | GreenroomApiError): ExitCode {
  return exceptions[code] ?? byStatus[status ?? 0] ?? exitCode.unreachable
}

/** An error that the user can do something about; any other is a mistake in the program. */
export function isRefusal(error: unknown): error is GreenroomError | GreenroomApiError {
  return error instanceof GreenroomError || error instanceof GreenroomApiError
}

/** The code, the sentence and the way out. */
export function refusalText(error: GreenroomError | GreenroomApiError): string {
  const { code } = error
  const message = error.message.trimEnd().replace(/[^.!?]$/, '$&.')
  const remedy = error instanceof GreenroomError ? error.remedy : error.remediation
  // A server's sentence ends with the remedy already.
  return `${code}: ${message.includes(remedy) ? message : `${message} ${remedy}`}\n`
}
