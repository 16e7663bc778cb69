import type { FastifyReply } from 'fastify'
import type { OpenQuota } from '../domain/project-limits.ts'

/** draft-ietf-httpapi-ratelimit-headers-10: what the project may open in a minute, and what is left of it. */
export function setRateLimitHeaders(reply: FastifyReply, { most, remaining, resetMs }: OpenQuota): void {
  void reply.header('ratelimit-policy', `"opens";q=${most};w=60`)
  void reply.header('ratelimit', `"opens";r=${remaining};t=${Math.ceil(resetMs / 1_000)}`)
}
