import t from 'tap'
import type { KubeTransport } from '../../src/cluster/kube-transport.ts'
import { createServiceAccounts } from '../../src/roles/service-accounts.ts'
import { startApi } from '../http/api-bed.ts'
import { startClusterBed } from '../integration/cluster-bed.ts'
import { keptLog } from '../support/kept-log.ts'

/** Tokens of a real API server. */
const { plane, clients, namespace } = await startClusterBed(t, 'service-accounts')
for (const name of ['shop', 'ops', 'stranger', 'leaver'])
  await plane.kubectl(['create', 'serviceaccount', name, '-n', namespace])

const config = {
  GREENROOM_SERVICE_ACCOUNTS: `${namespace}/shop=checkout sessions:read,${namespace}/ops=* admin,${namespace}/leaver=checkout sessions:read`,
  GREENROOM_TOKEN_REVIEW: false,
}

async function tokenOf(name: string, audience = 'greenroom'): Promise<string> {
  const { stdout } = await plane.kubectl(['create', 'token', name, '-n', namespace, '--audience', audience])
  return stdout.trim()
}

async function start(
  t: Parameters<typeof startApi>[0],
  changed: Partial<typeof config> = {},
  transport: Pick<KubeTransport, 'send'> = clients.transport,
) {
  const { logger, lines } = keptLog()
  const accounts = createServiceAccounts({ ...config, ...changed }, transport, logger)
  if (!accounts) throw new Error('no accounts')
  const api = await startApi(t, { identify: accounts.identify, logger })
  return {
    ...api,
    accounts,
    lines,
    async get(token: string, path = '/v1/sessions') {
      const answer = await api.call('GET', path, { headers: { authorization: `Bearer ${token}` } })
      return { status: answer.statusCode, code: answer.json<{ code?: string }>().code }
    },
  }
}

void t.test('a ServiceAccount is good for what the configuration gives it', async (t) => {
  const api = await start(t)
  const shop = await tokenOf('shop')
  t.match(await api.get(shop), { status: 200 })
  t.match(api.listed.at(-1), { projectId: 'checkout' })
  t.match(await api.get(shop, '/v1/keys'), { status: 403 })
  t.match(await api.get(await tokenOf('ops'), '/v1/audit'), { status: 200 })
  t.match(await api.get(await tokenOf('stranger')), { status: 403, code: 'GRN_FORBIDDEN' })
  const foreign = await tokenOf('shop', 'https://kubernetes.default.svc')
  t.match(await api.get(foreign), { status: 401 }, 'a token for the API server is none for Greenroom')
  t.match(await api.get(`${shop.slice(0, -6)}AAAAAA`), { status: 401 })
  t.match(await api.get('a.b.c'), { status: 401 })
  const [, body = '', signature = ''] = shop.split('.')
  const log = api.lines.join('')
  for (const part of [body, signature]) t.notMatch(log, part)
})

void t.test('the account of the session server may read the keys, as every ServiceAccount may', async (t) => {
  const who = [
    '--as',
    'system:serviceaccount:ai-agents:session-management-sa',
    '--as-group',
    'system:serviceaccounts',
  ]
  for (const path of ['/.well-known/openid-configuration', '/openid/v1/jwks'])
    t.match(await plane.kubectl(['auth', 'can-i', 'get', path, ...who]), { stdout: /^yes/ })
})

void t.test('with reviews, a token ends with its ServiceAccount', async (t) => {
  const [plain, reviewed] = [await start(t), await start(t, { GREENROOM_TOKEN_REVIEW: true })]
  const token = await tokenOf('leaver')
  const shop = await tokenOf('shop')
  t.match(await reviewed.get(shop), { status: 200 })
  await plane.kubectl(['delete', 'serviceaccount', 'leaver', '-n', namespace])
  t.match(await reviewed.get(token), { status: 401 })
  t.match(await plain.get(token), { status: 200 }, 'without them, at its own end')
})

void t.test('the API server away stops nobody', async (t) => {
  let away = false
  const { transport } = clients
  const gone = () => Promise.reject(new Error('away'))
  const api = await start(
    t,
    { GREENROOM_TOKEN_REVIEW: true },
    {
      send: (request) => (away ? gone() : transport.send(request)),
    },
  )
  const token = await tokenOf('shop')
  await api.accounts.look()
  away = true
  t.match(await api.get(token), { status: 200 })
  t.match(api.lines.join(''), /could not be reviewed; its signature decides/)
})
