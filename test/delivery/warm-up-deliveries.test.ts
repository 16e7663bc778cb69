import { exportJWK, generateKeyPair } from 'jose'
import t from 'tap'
import { until } from '../../bed/processes/until.ts'
import { loadSigningKeys } from '../../src/delivery/signing-keys.ts'
import { warmUpDeliveries } from '../../src/delivery/warm-up-deliveries.ts'

void t.test('the warm-up ends and leaves no socket', async () => {
  const { privateKey } = await generateKeyPair('EdDSA', { extractable: true })
  const jwk = { ...(await exportJWK(privateKey)), kid: 'key-1', alg: 'EdDSA' }
  await warmUpDeliveries(await loadSigningKeys(JSON.stringify({ keys: [jwk] })))
  await until('no socket', () => !process.getActiveResourcesInfo().some((name) => name.startsWith('TCP')))
})
