/**
 * Who a caller may say it is in the LiveKit room. Two kinds of identity are Greenroom's own: an agent's
 * (`agent-<session>-<epoch>`) and the random one of a caller that names none. LiveKit disconnects a participant when another joins
 * with the same identity, and Greenroom removes agents by theirs.
 */

const madePrefix = 'participant-'
const uuid = /^[0-9a-f]{8}-([0-9a-f]{4}-){3}[0-9a-f]{12}$/

/** Nobody can foresee it, so nobody can take its place. `random` is a UUID. */
export function randomParticipantIdentity(random: string): string {
  return `${madePrefix}${random}`
}

/** LiveKit's defaults. It counts bytes and refuses the join: the caller would be told of a session that it cannot enter. */
const mostBytes = 256

/** Why LiveKit or Greenroom would not have this participant: the member, a colon and the reason; undefined if both would. */
export function participantProblem(participant: {
  readonly identity: string
  readonly name?: string
}): string | undefined {
  const ofIdentity = identityProblem(participant.identity) ?? lengthProblem(participant.identity)
  if (ofIdentity !== undefined) return `identity: ${ofIdentity}`
  const ofName = lengthProblem(participant.name ?? '')
  return ofName && `name: ${ofName}`
}

function lengthProblem(text: string): string | undefined {
  const bytes = new TextEncoder().encode(text).length
  return bytes > mostBytes ? `has ${bytes} bytes in UTF-8, and LiveKit takes ${mostBytes}` : undefined
}

/** Why this identity may not be used, as the end of a sentence; undefined if it may. */
export function identityProblem(identity: string): string | undefined {
  if (/\p{Cc}/u.test(identity)) return 'contains a control character'
  const seen = asPeopleSeeIt(identity)
  if (seen === '') return 'is empty to the eye'
  if (seen.startsWith('agent-')) return 'begins like "agent-", which is kept for agents; use another identity'
  if (seen.startsWith(madePrefix) && uuid.test(seen.slice(madePrefix.length)))
    return 'has the form that Greenroom gives to callers without an identity; leave it out, or use another'
  return undefined
}

/** Letters of other alphabets that look like those of the reserved words. */
const lookAlikes: Readonly<Record<string, string>> = {
  а: 'a',
  α: 'a',
  ɑ: 'a',
  ɡ: 'g',
  ց: 'g',
  е: 'e',
  ε: 'e',
  һ: 'h',
  п: 'n',
  ո: 'n',
  т: 't',
  τ: 't',
  р: 'p',
  ρ: 'p',
  г: 'r',
  і: 'i',
  ι: 'i',
  ı: 'i',
  с: 'c',
  ϲ: 'c',
}

/** In small letters without accents, spaces and what cannot be seen; every kind of dash is a hyphen. */
function asPeopleSeeIt(identity: string): string {
  const bare = identity
    .normalize('NFKD')
    .toLowerCase()
    .replace(/[\p{M}\p{Cf}\p{Z}\p{Default_Ignorable_Code_Point}]/gu, '')
    .replace(/[\p{Pd}\u2212\u2043\u02d7_]/gu, '-')
  return Array.from(bare, (letter) => lookAlikes[letter] ?? letter).join('')
}
