import { admissionErrors } from './admission-errors.ts'
import { commandErrors } from './command-errors.ts'
import type { ErrorEntry } from './error-entry.ts'

/**
 * Every error a user can meet, in one catalogue: the stable code, the HTTP status it is answered with, the title,
 * and what to do about it. `docs/errors.md` is generated from it and a test holds the two together.
 */
export const errorCatalogue = {
  GRN_BAD_JSON: {
    status: 400,
    title: 'The body is not valid JSON',
    remedy: 'Send one JSON object in UTF-8 with Content-Type: application/json.',
  },
  GRN_LOSSY_JSON: {
    status: 400,
    title: 'The body holds JSON that would not be kept as it was sent',
    remedy: 'Correct the named place: send long numbers as strings, and each name once.',
  },
  GRN_INVALID_REQUEST: {
    status: 400,
    title: 'The request does not match the API',
    remedy: 'Correct the named field; the schema is at /openapi.json.',
  },
  GRN_UNAUTHENTICATED: {
    status: 401,
    title: 'No valid API key was given',
    remedy: 'Send "Authorization: Bearer <key>" with an API key, or with a token of the configured issuer.',
  },
  GRN_WEBHOOK_UNSIGNED: {
    status: 401,
    title: 'LiveKit did not sign this webhook, or signed it long ago',
    remedy:
      'Give LiveKit the same key and secret as Greenroom (webhook.api_key in its configuration, LIVEKIT_API_KEY and LIVEKIT_API_SECRET here), and compare both clocks.',
  },
  GRN_FORBIDDEN: {
    status: 403,
    title: 'This credential is not good for this',
    remedy:
      'Use a credential that has the scope which the detail names; docs/identity.md lists what each scope is good for.',
  },
  GRN_KEY_NOT_FOUND: {
    status: 404,
    title: 'There is no such API key',
    remedy: 'Check the id: GET /v1/keys lists the keys that your credential may see.',
  },
  GRN_KEY_REVOKED: {
    status: 409,
    title: 'This API key is revoked',
    remedy: 'Make another key: POST /v1/keys. A revoked one does not come back.',
  },
  GRN_NOT_FOUND: {
    status: 404,
    title: 'There is nothing at this address',
    remedy: 'Compare the path and method with /openapi.json.',
  },
  GRN_SESSION_NOT_FOUND: {
    status: 404,
    title: 'There is no such session',
    remedy: 'Check the id. Ended sessions are deleted after GREENROOM_RETENTION_HOURS.',
  },
  GRN_UNKNOWN_AGENT_TYPE: {
    status: 404,
    title: 'There is no pool of this agent type',
    remedy: 'Use a type that GET /v1/pools lists, or add it to the ConfigMap agent-pools.',
  },
  GRN_EVENT_ID: {
    status: 400,
    title: 'This is not the id of an event',
    remedy: 'Send the id of the last event that you saw as Last-Event-ID or after, or leave it out.',
  },
  GRN_WEBHOOK_NOT_FOUND: {
    status: 404,
    title: 'There is no such webhook',
    remedy: 'GET /v1/webhooks lists the webhooks of your project.',
  },
  GRN_METHOD_NOT_ALLOWED: {
    status: 405,
    title: 'This address does not take this method',
    remedy: 'Use one of the methods in the header Allow.',
  },
  GRN_NOT_ACCEPTABLE: {
    status: 406,
    title: 'The answer has none of the media types that Accept names',
    remedy: 'Leave Accept out, or name a media type that the detail names.',
  },
  GRN_WEBHOOKS_FULL: {
    status: 409,
    title: 'This project has as many webhooks as it may',
    remedy: 'Delete one that is not needed any more, or give one of them more types.',
  },
  GRN_HEADERS_TOO_LARGE: {
    status: 431,
    title: 'The address and the headers are too long',
    remedy: 'Send at most 16 KiB of them together.',
  },
  GRN_STALE_EPOCH: {
    status: 409,
    title: 'The epoch is not the current one of this session',
    remedy: 'Read the session. If its epoch is not yours, another attempt holds it: stop.',
  },
  GRN_SESSION_OVER: {
    status: 409,
    title: 'The session has ended or is ending',
    remedy: 'Open a new session.',
  },
  GRN_ROLLOUT_UNKNOWN: {
    status: 409,
    title: 'The controller has not looked at this pool yet',
    remedy:
      'Try again in a few seconds; if it stays so, check that one replica leads (metric greenroom_leader).',
  },
  GRN_NOTHING_TO_UNDO: {
    status: 409,
    title: 'No earlier template of this pool is known that worked',
    remedy:
      'Correct template in agent-pools. A change of agent-policy or of the signing key is undone where it was made.',
  },
  GRN_POOLS_READ_ONLY: {
    status: 409,
    title: 'Pools are not changed through this API here',
    remedy:
      'Change pools.yaml where it is kept. GREENROOM_EDIT_POOLS=true and the right to update ConfigMap agent-pools let the API do it: docs/status.md.',
  },
  GRN_POOLS_BY_HAND: {
    status: 422,
    title: 'The pool is written in a form that only a person can change safely',
    remedy: 'Edit pools.yaml by hand, or write the pool out without anchors and aliases.',
  },
  GRN_POD_NOT_POOLED: {
    status: 404,
    title: 'There is no such pod in this pool',
    remedy: 'Check the name: kubectl get pods -l greenroom.dev/pool=TYPE lists the pods of a pool.',
  },
  GRN_POD_IN_USE: {
    status: 409,
    title: 'A session has this pod',
    remedy: 'End the session instead: DELETE /v1/sessions/:id. GET /v1/sessions shows which one has the pod.',
  },
  GRN_KEY_USED_UP: {
    status: 409,
    title: 'The session of this Idempotency-Key has ended or is ending',
    remedy: 'A new open needs a new Idempotency-Key. GET /v1/sessions/:id still shows the ended session.',
  },
  GRN_BODY_TOO_LARGE: {
    status: 413,
    title: 'The body is too large',
    remedy: 'Send at most 256 KiB to the session API and 7 MiB to the webhook.',
  },
  GRN_UNSUPPORTED_MEDIA_TYPE: {
    status: 415,
    title: 'The content type is not supported',
    remedy: 'Send Content-Type: application/json, and the body uncompressed (no Content-Encoding).',
  },
  GRN_IDEMPOTENCY_MISMATCH: {
    status: 422,
    title: 'This Idempotency-Key was used with another body',
    remedy: 'Repeat the original body, or use a new key for a new session.',
  },
  GRN_NO_POD: {
    status: 422,
    title: 'There is no pod in this document',
    remedy: 'Give a Pod, a List, an AdmissionReview or a workload with a pod template, such as a Deployment.',
  },
  GRN_BODY_TOO_SLOW: {
    status: 408,
    title: 'The body did not arrive in time',
    remedy: 'Send the whole body within 2 s of its headers, and without a pause.',
  },
  GRN_OVERLOADED: {
    status: 429,
    title: 'Too many reviews are waiting',
    remedy:
      'Wait for the API server to ask again after a second. If it persists, give the webhook more replicas or more CPU.',
  },
  GRN_PROJECT_LIMIT: {
    status: 429,
    title: 'The project has as many sessions or waiting opens as it may',
    remedy:
      'End sessions of the project, or try again when some have ended. GET /v1/projects/:id/limits shows its limits.',
  },
  GRN_RATE_LIMITED: {
    status: 429,
    title: 'The project has opened as many sessions in this minute as it may',
    remedy: 'Try again after the given time, when the next minute of the project begins.',
  },
  GRN_LISTS_BUSY: {
    status: 429,
    title: 'This replica is busy with other lists',
    remedy: 'Retry after the given time, with fewer lists at once, and ask for metadata only if you need it.',
  },
  GRN_STREAMS_FULL: {
    status: 503,
    title: 'This replica has as many event streams as it can serve',
    remedy:
      'Come back after the given time, perhaps at another replica. One stream of GET /v1/events can serve many sessions; more replicas serve more streams.',
  },
  GRN_USAGE_WINDOW: {
    status: 400,
    title: 'The window of the usage report is not valid',
    remedy:
      'Give from and to as dates or RFC 3339 times with their zone: from in the past, before to, and at most 366 days.',
  },
  GRN_USAGE_NOT_KEPT: {
    status: 422,
    title: 'The begin of the usage report lies before what is recorded',
    remedy:
      'Begin the window later. GREENROOM_USAGE_RETENTION_DAYS says how long usage is kept; after an upgrade from a version that recorded none it begins with the first controller.',
  },
  GRN_USAGE_TOO_LARGE: {
    status: 422,
    title: 'The usage report would have too many rows',
    remedy: 'Ask for a shorter window, or by pool.',
  },
  GRN_INTERNAL: {
    status: 500,
    title: 'Greenroom failed unexpectedly',
    remedy: 'Retry with the same Idempotency-Key. If it persists, report the requestId.',
  },
  GRN_POOL_EMPTY: {
    status: 503,
    title: 'No warm pod became free in time',
    remedy:
      'Retry after the given time or wait longer (onEmpty "wait", waitMs). GET /v1/pools tells what keeps a pool empty; if nothing does, raise min or max.',
  },
  GRN_POOL_DEGRADED: {
    status: 503,
    title: 'Too many pods of this pool failed delivery',
    remedy: 'Check the pods of the pool, and the network policy from the session server to their port 8080.',
  },
  GRN_DELIVERY_FAILED: {
    status: 503,
    title: 'No pod accepted the session within the deadline',
    remedy: 'Retry with the same Idempotency-Key. GET /v1/pools shows the reasons.',
  },
  GRN_SERVER_BUSY: {
    status: 503,
    title: 'This replica has more to do than it can',
    remedy:
      'Retry after the given time with the same Idempotency-Key. If it persists, run more replicas, or see why PostgreSQL is slow.',
  },
  GRN_DATABASE_UNAVAILABLE: {
    status: 503,
    title: 'PostgreSQL did not answer in time',
    remedy: 'Retry after the given time with the same Idempotency-Key.',
  },
  GRN_ISSUER_UNAVAILABLE: {
    status: 503,
    title: 'The keys of the issuer of this token could not be read',
    remedy: 'Retry after the given time. Check the issuer, and the network from the session server to it.',
  },
  GRN_REDIS_UNAVAILABLE: {
    status: 503,
    title: 'Redis did not answer in time',
    remedy: 'Check Redis and the network to it. Claims go on without it.',
  },
  GRN_KUBERNETES_UNAVAILABLE: {
    status: 503,
    title: 'The Kubernetes API did not answer in time',
    remedy: 'Check the API server, and the kubeconfig or ServiceAccount of this process.',
  },
  GRN_LIVEKIT_UNAVAILABLE: {
    status: 503,
    title: 'LiveKit did not answer in time',
    remedy:
      'Check LiveKit, and LIVEKIT_URL, LIVEKIT_API_KEY and LIVEKIT_API_SECRET. Claims go on without it.',
  },
  GRN_WEBHOOK_UNAVAILABLE: {
    status: 503,
    title: 'The admission webhook does not answer, or not every replica of it is ready',
    remedy:
      'Check the pods of agent-webhook, and the network policy from the session server to their port 3002 (GREENROOM_WEBHOOK_OPS_URL).',
  },
  GRN_CERTIFICATE_ENDS: {
    status: 500,
    title: 'The certificate of the admission webhook ends soon, or has ended',
    remedy:
      'Read the log of agent-webhook: built-in certificates are renewed with a third of their life left. Certificates from files are renewed by whoever writes the files.',
  },
  GRN_NO_LEADER: {
    status: 503,
    title: 'No controller leads',
    remedy:
      'Check the pods of session-management-server and their right to the Lease greenroom-controller. Another replica takes over within 15 s.',
  },
  GRN_INVARIANT_BROKEN: {
    status: 500,
    title: 'An invariant of sessions and pods is broken',
    remedy:
      'Run "greenroom doctor": it names each pod and session. docs/claims.md says what heals by itself.',
  },
  GRN_ABSENCE_FROZEN: {
    status: 500,
    title: 'More live sessions seem to be lost than is credible, so none is ended',
    remedy:
      'Find out what was restarted or restored: Kubernetes, PostgreSQL or LiveKit. The Events of ConfigMap agent-pools say what is missing.',
  },
  GRN_ADMISSION_DRIFT: {
    status: 500,
    title: 'Running pods differ from what the policy in force would make of them',
    remedy:
      'Run "greenroom scan": it names them. Pods of pools are replaced by themselves, others by their owner.',
  },
  GRN_OLD_ASSIGN_KEYS: {
    status: 500,
    title: 'Old public assign keys are still needed a day after a rotation',
    remedy:
      'Wait for the sessions on old pods to end, and restart session servers that still sign with an old key. docs/identity.md describes the rotation.',
  },
  GRN_NOT_READY: {
    status: 503,
    title: 'This replica is not ready',
    remedy: 'Retry. GET /readyz?verbose shows what it waits for.',
  },
  GRN_SHUTTING_DOWN: {
    status: 503,
    title: 'This replica is shutting down',
    remedy: 'Retry with the same Idempotency-Key. Another replica answers.',
  },
  GRN_POOL_POD_FOREIGN: {
    status: 500,
    title: 'A pod has the labels of a pool, but the controller has not noted that it created it',
    remedy:
      'The pod was never offered, and the controller deletes it. If the controller was killed, or the API server was away, just after the pod was created, nothing is wrong. Otherwise find out who can create or label pods in the namespace.',
  },
  GRN_POOL_POD_CHANGED: {
    status: 500,
    title: 'Somebody changed an idle pod of a pool after the controller created it',
    remedy: 'The controller replaces the pod. Find out who can patch pods in the namespace.',
  },
  GRN_INVALID_CONFIG: {
    status: 500,
    title: 'The configuration is not valid',
    remedy: 'Correct every named variable and start again.',
  },
  GRN_SCHEMA_OUTDATED: {
    status: 500,
    title: 'The database schema does not fit this version',
    remedy: 'Run "npm run migrate" (in the image: node src/main.ts migrate), then start again.',
  },
  GRN_DATABASE_POOLED: {
    status: 500,
    title: 'The settings of a connection do not reach PostgreSQL',
    remedy:
      'Connect to PostgreSQL itself: a pooler such as PgBouncer drops the time-outs and planner settings that Greenroom sends with each connection. Greenroom keeps its own connections; docs/operate/postgresql.md counts them.',
  },
  GRN_INVALID_TRACE: {
    status: 422,
    title: 'The trace of claims or of start times cannot be read',
    remedy:
      'Correct the named row. docs/sizing.md shows the forms: a time a row, or a time and a count, as CSV.',
  },
  ...admissionErrors,
  ...commandErrors,
} as const satisfies Record<string, ErrorEntry>

export type ErrorCode = keyof typeof errorCatalogue
