import { createApi } from '../client/api-call.ts'
import { GreenroomApiError } from '../client/client-error.ts'
import { loadConfig } from '../config.ts'
import { GreenroomError } from '../errors.ts'

/** Options of every command that asks the session API; spread into those of parseArgs. */
export const serverOptions = { server: { type: 'string' }, key: { type: 'string' } } as const

interface ServerArguments {
  readonly server?: string | undefined
  readonly key?: string | undefined
}

/** A report over a year takes seconds, and a busy server lets it wait for others. */
const answerMs = 30_000

interface Asked {
  readonly method?: 'GET' | 'POST' | 'PUT' | 'DELETE'
  readonly body?: object
}

/** Asks the session API, by GET unless told otherwise; the answer is JSON. `--server` and `--key` come before GREENROOM_API_URL and GREENROOM_API_KEY. */
export async function askServer<T>(
  path: string,
  given: ServerArguments,
  { method = 'GET', body }: Asked = {},
): Promise<T> {
  const { url, apiKey } = serverOf(given)
  const signal = new AbortController().signal
  return createApi({ url, apiKey }).attempt<T>({ method, path, body, signal, timeoutMs: answerMs })
}

const notDoneCode = 2

/** Runs a command that asks the server. A refusal is printed, and the exit code is 2. */
export async function printingRefusals(work: () => Promise<number>): Promise<number> {
  try {
    return await work()
  } catch (error) {
    const refusal = refusalOf(error)
    if (refusal === undefined) throw error
    process.stderr.write(refusal)
    return notDoneCode
  }
}

/** What a refusal is printed as; undefined for an error that is a mistake in the program. */
export function refusalOf(error: unknown): string | undefined {
  if (error instanceof GreenroomError) return `${error.code}: ${error.message} ${error.remedy}\n`
  if (!(error instanceof GreenroomApiError)) return undefined
  const { code, message, remediation } = error
  // A server's sentence ends with the remedy already.
  return `${code}: ${message.includes(remediation) ? message : `${message} ${remediation}`}\n`
}

/** Where to ask and with which key; throws GRN_INVALID_CONFIG with what is missing. */
export function serverOf({ server, key }: ServerArguments): { url: string; apiKey: string } {
  const config = loadConfig('caller')
  const url = server ?? config.GREENROOM_API_URL
  const apiKey = key ?? config.GREENROOM_API_KEY
  const missing = [
    ...(url === undefined ? ['--server or GREENROOM_API_URL'] : []),
    ...(apiKey === undefined ? ['--key or GREENROOM_API_KEY'] : []),
  ]
  if (url !== undefined && !/^https?:\/\//.test(url))
    throw new GreenroomError('GRN_INVALID_CONFIG', `--server ${url.slice(0, 100)} is not an http(s) address.`)
  if (url === undefined || apiKey === undefined)
    throw new GreenroomError('GRN_INVALID_CONFIG', `The server is asked with ${missing.join(' and ')}.`)
  return { url, apiKey }
}
