import { createApiApp } from '../http/api-app.ts'
import { createLogger } from '../logging.ts'
import { createMetrics } from '../metrics.ts'
import { createBrowserTokens } from '../sessions/browser-token.ts'

/** The document of `/openapi.json`. Its routes are described here and never called. */
export async function readApiDocument(): Promise<unknown> {
  const uncalled = async (): Promise<never> => {
    throw new Error('only the description of this route is read')
  }
  const app = await createApiApp({
    openSession: uncalled,
    openBatch: { openAll: uncalled, openAvailable: uncalled },
    renewSession: uncalled,
    closeSession: uncalled,
    joinSession: uncalled,
    awaitSession: uncalled,
    sessions: { get: uncalled },
    listSessions: uncalled,
    roomAccess: undefined,
    liveKit: { readRoomEvent: uncalled, takeRoomEvent: uncalled, onRefused: () => undefined },
    headStartMs: () => 0,
    readPools: { all: uncalled, one: uncalled },
    readPoolHistory: uncalled,
    readAdmission: uncalled,
    steerPools: { freeze: uncalled, thaw: uncalled, resize: uncalled, retirePod: uncalled },
    readStatus: uncalled,
    timelines: { course: uncalled },
    readUsage: uncalled,
    auditLog: { list: uncalled },
    noteSession: () => {},
    manageKeys: { create: uncalled, list: uncalled, rotate: uncalled, revoke: uncalled },
    followEvents: { assertReady() {}, follow: uncalled, hasSeenAll: uncalled },
    eventWebhooks: { create: uncalled, list: uncalled, get: uncalled, change: uncalled, remove: uncalled },
    webhookSecretOf: () => '',
    projectLimits: {
      of: () => undefined,
      look: uncalled,
      get: uncalled,
      list: uncalled,
      set: uncalled,
      remove: uncalled,
    },
    steerRollout: { read: uncalled, undo: uncalled, pause: uncalled, resume: uncalled },
    identify: () => undefined,
    sessionTokens: { verify: () => undefined },
    browserTokens: createBrowserTokens('', () => 0),
    origins: [],
    overload: () => undefined,
    metrics: createMetrics(),
    publicDocument: true,
    checks: () => ({}),
    draining: new AbortController().signal,
    logger: createLogger({ level: 'silent', role: 'api-document', instance: 'none' }),
  })
  try {
    return (await app.inject({ url: '/openapi.json' })).json()
  } finally {
    await app.close()
  }
}
