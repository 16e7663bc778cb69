/**
 * Every refusal of an agent: its code, status and sentence. They belong to the agent contract and not to the session
 * API, so they are not in `errors.ts`. The session server keeps the code as the reason of a failed delivery.
 */
const agentErrors = {
  AGENT_BAD_JSON: { status: 400, title: 'The body is not valid JSON' },
  AGENT_BAD_REQUEST: { status: 400, title: 'The body does not have the form that this address takes' },
  AGENT_UNAUTHENTICATED: { status: 401, title: 'The bearer token is not valid for this pod and this body' },
  AGENT_NOT_FOUND: { status: 404, title: 'There is nothing at this address' },
  AGENT_UNASSIGNED: { status: 404, title: 'This pod does not serve this session' },
  AGENT_OTHER_SESSION: { status: 409, title: 'This pod belongs to another session or epoch' },
  AGENT_OTHER_TYPE: { status: 409, title: 'This pod is of another agent type than the assignment' },
  AGENT_ENDING: { status: 409, title: 'The session of this pod is ending' },
  AGENT_BODY_TOO_LARGE: { status: 413, title: 'The body is too large' },
  AGENT_HANDLER_FAILED: { status: 500, title: 'The agent could not take the assignment' },
  AGENT_INTERNAL: { status: 500, title: 'Something failed that should not have' },
  AGENT_NOT_READY: { status: 503, title: 'This pod takes no assignment now' },
} as const satisfies Record<string, { status: number; title: string }>

type AgentErrorCode = keyof typeof agentErrors

/** A refusal with a stable code. `detail` is answered to the caller: never put a secret or a token into it. */
export class AgentError extends Error {
  readonly code: AgentErrorCode
  readonly detail: string | undefined

  constructor(code: AgentErrorCode, detail?: string) {
    super(detail ?? agentErrors[code].title)
    this.name = 'AgentError'
    this.code = code
    this.detail = detail
  }

  get status(): number {
    return agentErrors[this.code].status
  }

  /** RFC 9457. */
  get problem(): Record<string, unknown> {
    const { status, title } = agentErrors[this.code]
    return {
      type: 'about:blank',
      title,
      status,
      ...(this.detail && { detail: this.detail }),
      code: this.code,
    }
  }
}
