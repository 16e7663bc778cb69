import type { Static, TObject } from 'typebox'
import type { Client } from '../../client/client.ts'
import type { DoctorReport } from '../doctor-report.ts'
import type { KeptSessions } from './kept-sessions.ts'

/** One tool of the MCP server. Its answer is JSON for a model: short, and without anything secret. */
export interface McpTool<S extends TObject = TObject> {
  readonly name: string
  readonly title: string
  /** What it does, for a model that has to choose; the first sentence says when. */
  readonly description: string
  /** Closed: what it does not name is refused. */
  readonly input: S
  readonly changes: 'nothing' | 'adds' | 'ends'
  run(args: Static<S>, call: ToolCall): Promise<Readonly<Record<string, unknown>>>
}

/** On whose behalf a tool is called, and what it may use. */
export interface ToolCall {
  /** With the caller's own key, and no other. */
  readonly client: Client
  readonly get: <T>(path: string) => Promise<T>
  /** Sessions that this server opened for this key. */
  readonly sessions: KeptSessions
  readonly doctor: () => Promise<DoctorReport>
  /** Aborted when the caller cancels the call or goes away. */
  readonly signal: AbortSignal
}

export function mcpTool<S extends TObject>(tool: McpTool<S>): McpTool<S> {
  return tool
}
