import { answerCalls } from './bench-process.ts'
import {
  type ClaimLoad,
  type ClaimTarget,
  createSandboxClaims,
  type SandboxClaims,
} from './sandbox-claims.ts'

/** The caller of agent-sandbox as a process of its own, as Greenroom's load generator is one; see `sandbox-claims.ts`. */
let claims: SandboxClaims | undefined

function connected(): SandboxClaims {
  if (!claims) throw new Error('the caller is not connected')
  return claims
}

const calls = {
  async connect(target: ClaimTarget): Promise<void> {
    claims = await createSandboxClaims(target)
  },
  run: (load: ClaimLoad) => connected().run(load),
  endAll: (_: undefined) => connected().endAll(),
}
export type ClaimCalls = typeof calls
answerCalls(calls)
