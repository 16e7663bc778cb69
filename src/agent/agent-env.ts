import { hostname } from 'node:os'
import { agentEnv } from '../domain/names.ts'

/** What the webhook and the downward API tell an agent about itself. */
interface AgentEnv {
  readonly podUid: string
  readonly podName: string
  /** undefined outside of a pool; then an assignment of any type is taken. */
  readonly agentType: string | undefined
  /** JWK Set of public keys, as text. */
  readonly assignKeys: string
  /**
   * undefined in a pod: all its addresses, for which Node need not load its name resolver (5 ms of processor time). A bed that
   * runs agents as plain processes gives each an address of its own.
   */
  readonly listenAddress: string | undefined
}

/** @throws Error naming every variable that is missing. */
export function readAgentEnv(env: Readonly<Record<string, string | undefined>>): AgentEnv {
  const required = [agentEnv.podUid, agentEnv.assignKeys]
  const missing = required.filter((name) => !env[name])
  if (missing.length > 0) {
    throw new Error(`missing environment: ${missing.join(', ')}; Greenroom's webhook sets them on agent pods`)
  }
  return {
    podUid: env[agentEnv.podUid] ?? '',
    assignKeys: env[agentEnv.assignKeys] ?? '',
    podName: env[agentEnv.podName] || hostname(),
    agentType: env[agentEnv.agentType] || undefined,
    listenAddress: env.GREENROOM_LISTEN_ADDRESS || undefined,
  }
}
