import { fromJsonSchema, McpServer } from '@modelcontextprotocol/server'
import { createApi } from '../../client/api-call.ts'
import { createClient } from '../../client/client.ts'
import { greenroomVersion } from '../../domain/greenroom-version.ts'
import type { DoctorReport } from '../doctor-report.ts'
import { doctor, explain, pools, status } from './insight-tools.ts'
import type { KeptSessions } from './kept-sessions.ts'
import type { McpTool, ToolCall } from './mcp-tool.ts'
import { end, open, say } from './session-tools.ts'
import { failedToolResult, toolResult } from './tool-result.ts'

export const mcpTools: readonly McpTool[] = [open, say, end, pools, explain, status, doctor]

/** What clients are told of each tool. Made once: over HTTP each call has a server of its own, and to compile a schema takes time. */
const registrations = mcpTools.map((tool) => {
  const { title, description, input, changes } = tool
  const annotations = {
    readOnlyHint: changes === 'nothing',
    destructiveHint: changes === 'ends',
    idempotentHint: changes === 'ends',
    openWorldHint: false,
  }
  const inputSchema = fromJsonSchema<Record<string, unknown>>(structuredClone(input))
  return { tool, config: { title, description, inputSchema, annotations } }
})

interface McpServerOptions {
  /** Of the session API. */
  readonly url: string
  /** The caller's own. */
  readonly apiKey: string
  readonly sessions: KeptSessions
  readonly doctor: (call: Pick<ToolCall, 'get'>) => Promise<DoctorReport>
}

/** The tools for one caller. Whatever they do, they do with this caller's key: its scopes are the tools' scopes. */
export function createMcpServer({ url, apiKey, sessions, ...options }: McpServerOptions): McpServer {
  const server = new McpServer(
    { name: 'greenroom', version: greenroomVersion },
    {
      instructions:
        'Talk to AI agents that run on Kubernetes: pools, open, say, end. A failure names its code and what to do next.',
    },
  )
  const client = createClient({ url, apiKey })
  const api = createApi({ url, apiKey })
  for (const { tool, config } of registrations) {
    server.registerTool(tool.name, config, async (args, context) => {
      const { signal } = context.mcpReq
      const get = <T>(path: string) => api.call<T>({ method: 'GET', path }, { signal })
      try {
        const call = { client, get, sessions, signal, doctor: () => options.doctor({ get }) }
        return toolResult(await tool.run(args, call))
      } catch (error) {
        return failedToolResult(error)
      }
    })
  }
  return server
}
