import { hash, randomBytes } from 'node:crypto'

/**
 * `gr_<id>_<secret>`: the id finds the key and may be shown, the secret has 256 random bits. Letters and digits only, so
 * that a double click marks all of it; the prefix lets scanners of repositories find keys.
 */
const pattern = /^gr_([0-9a-z]{12})_([0-9A-Za-z]{43})$/

const alphabet = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz'
const base = BigInt(alphabet.length)
const secretLength = 43

export interface ApiKeyParts {
  readonly id: string
  readonly secret: string
}

/** undefined for a text of another form. */
export function readApiKey(text: string): ApiKeyParts | undefined {
  const [, id, secret] = pattern.exec(text) ?? []
  return id === undefined || secret === undefined ? undefined : { id, secret }
}

export function apiKeyText({ id, secret }: ApiKeyParts): string {
  return `gr_${id}_${secret}`
}

/** 60 random bits: among a million keys a new id is there already once in a trillion times, and the table refuses it. */
export function newKeyId(): string {
  return randomBytes(8).readBigUInt64BE().toString(36).padStart(12, '0').slice(-12)
}

export function newSecret(): string {
  let rest = BigInt(`0x${randomBytes(32).toString('hex')}`)
  let text = ''
  for (; text.length < secretLength; rest /= base) text = (alphabet[Number(rest % base)] ?? '') + text
  return text
}

export function secretDigest(secret: string): Buffer {
  return hash('sha256', secret, 'buffer')
}
