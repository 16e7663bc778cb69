import { answerCalls } from './bench-process.ts'
import { type ClaimCalls, createSandboxClaims, type SandboxClaims } from './sandbox-claims.ts'

/** The caller of agent-sandbox as a process of its own, as Greenroom's load generator is one; see `sandbox-claims.ts`. */
let claims: SandboxClaims | undefined

function connected(): SandboxClaims {
  if (!claims) throw new Error('the caller is not connected')
  return claims
}

const calls: ClaimCalls = {
  async connect(target) {
    claims = await createSandboxClaims(target)
  },
  run: (load) => connected().run(load),
  endAll: () => connected().endAll(),
}
answerCalls(calls)
