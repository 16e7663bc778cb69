const fnvOffset64 = 0xcbf29ce484222325n
const fnvPrime64 = 0x100000001b3n

/**
 * FNV-1a, 64 bit, over UTF-8, as 16 hex digits. domain/ may not use node:crypto, and telling a few dozen versions apart
 * needs no more. It protects nothing.
 */
export function versionHash(text: string): string {
  let hash = fnvOffset64
  for (const byte of new TextEncoder().encode(text)) {
    hash = BigInt.asUintN(64, (hash ^ BigInt(byte)) * fnvPrime64)
  }
  return hash.toString(16).padStart(16, '0')
}
