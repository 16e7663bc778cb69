import { createHmac } from 'node:crypto'

/** Enough that two installations on one LiveKit never meet. */
const tagLength = 16

/**
 * Names this installation of Greenroom in LiveKit, which has one namespace of rooms for everybody. All replicas have the
 * secret, so all of them know the name; it tells nothing about the secret.
 */
export function installationOf(hmacSecret: string): string {
  return createHmac('sha256', hmacSecret).update('greenroom installation').digest('hex').slice(0, tagLength)
}

/** Metadata of a room that this installation had created. Everybody in the room can read it. */
export function roomMetadata(installation: string): string {
  return JSON.stringify({ greenroom: installation })
}

/** The room by which Greenroom knows LiveKit's memory again (ADR 22). Nobody is ever in it. */
export function memoryRoom(installation: string): string {
  return `greenroom-memory-${installation}`
}
