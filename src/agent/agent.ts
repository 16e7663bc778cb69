/** The entry `greenroom/agent` of the npm package. `join-room.ts` is `greenroom/agent/room`. */

export { AgentError } from './agent-error.ts'
export type { AgentRequest, AgentRoutes } from './agent-http.ts'
export type { AgentLog } from './agent-log.ts'
export type { AgentMetrics } from './agent-metrics.ts'
export type { AgentSession } from './agent-session.ts'
export type { AgentReply } from './http-exchange.ts'
export type { RoomPass } from './room-pass.ts'
export { type ServeOptions, type ServingAgent, serve } from './serve.ts'
