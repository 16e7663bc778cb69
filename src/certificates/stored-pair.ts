import { authoritiesIn } from './certificate-facts.ts'
import type { SecretStore } from './certificate-stores.ts'
import type { PairSource } from './serving-certificate.ts'
import { authorityPemOf, leafPairOf } from './stored-certificates.ts'

/** What the elected replica stored for all of them. */
export function storedPair(secret: SecretStore): PairSource {
  return {
    async read() {
      const { data } = await secret.read()
      const pair = leafPairOf(data)
      return pair && { ...pair, authority: authoritiesIn(authorityPemOf(data))[0]?.toString() ?? '' }
    },
  }
}
