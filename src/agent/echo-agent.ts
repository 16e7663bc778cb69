import { hash } from 'node:crypto'
import { AgentError } from './agent-error.ts'
import type { AgentRequest } from './agent-http.ts'
import { createAgentLog } from './agent-log.ts'
import type { AgentReply } from './http-exchange.ts'
import { warmRoom } from './join-room.ts'
import { echoInRoom } from './room-echo.ts'
import { serve } from './serve.ts'

/**
 * The smallest agent: it joins its room and sends back what people say there. `POST /sessions/:sessionId/echo` returns
 * what was sent too, and proves which pod serves which session and which secrets arrived. The demo and the tests use it; copy it to begin an agent of your own.
 */

/** `AGENT_WARM_ROOM=on` spends 12 to 40 MB of an idle pod, so that the agent is in its room 100 ms sooner. */
const { GREENROOM_POD_NAME: podName = 'unknown', AGENT_WARM_ROOM, OPENAI_API_KEY } = process.env
let messages = 0

function echo({ params, headers, body, assignment, metrics }: AgentRequest): AgentReply {
  const startedAt = performance.now()
  if (!assignment) throw new AgentError('AGENT_NOT_READY', 'no session is assigned')
  if (params.sessionId !== assignment.sessionId)
    throw new AgentError('AGENT_NOT_FOUND', 'not the session of this pod')
  const content = readContent(headers['content-type'], body)
  messages += 1
  metrics.messageProcessed((performance.now() - startedAt) / 1000)
  const { sessionId, podUid, epoch, metadata = {}, secrets = {} } = assignment
  return {
    status: 200,
    json: {
      sessionId,
      podUid,
      podName,
      epoch,
      metadata,
      counters: { messages },
      // Digests prove that these very secrets arrived without showing them.
      secretDigests: Object.fromEntries(
        Object.entries(secrets).map(([name, value]) => [name, hash('sha256', value, 'hex')]),
      ),
      envSecret: Boolean(OPENAI_API_KEY),
      echo: content,
    },
  }
}

function readContent(contentType: string | undefined, body: Buffer): unknown {
  const text = body.toString()
  if (!contentType?.startsWith('application/json')) return text
  try {
    return JSON.parse(text)
  } catch {
    throw new AgentError('AGENT_BAD_JSON')
  }
}

/** Resolves when the pod can take an assignment, or with what is wrong logged and the exit code set. */
export async function startEchoAgent(): Promise<void> {
  try {
    await serve({
      onReady: () => (AGENT_WARM_ROOM === 'on' ? warmRoom() : undefined),
      onAssign(agent) {
        // In the background: an acknowledged claim never waits for LiveKit.
        if (agent.livekit.access()) echoInRoom(agent)
      },
      routes: { 'POST /sessions/:sessionId/echo': echo },
    })
  } catch (error) {
    createAgentLog({ podName })('error', 'cannot start', { reason: String(error) })
    process.exitCode = 1
  }
}

if (import.meta.main) await startEchoAgent()
