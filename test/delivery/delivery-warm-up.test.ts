import { exportJWK, generateKeyPair } from 'jose'
import t from 'tap'
import { until } from '../../bed/processes/until.ts'
import { rehearseDelivery } from '../../src/delivery/delivery-warm-up.ts'
import { loadAssignKeys } from '../../src/delivery/signing-keys.ts'

void t.test('a rehearsal ends and leaves no socket', async () => {
  const { privateKey } = await generateKeyPair('EdDSA', { extractable: true })
  const jwk = { ...(await exportJWK(privateKey)), kid: 'key-1', alg: 'EdDSA' }
  await rehearseDelivery(await loadAssignKeys(JSON.stringify({ keys: [jwk] })))
  await until('no socket', () => !process.getActiveResourcesInfo().some((name) => name.startsWith('TCP')))
})
