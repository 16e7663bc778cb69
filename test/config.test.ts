import t from 'tap'
import { certificateSource, eventNetworks, loadConfig, migrateAccess, opsPort, roles } from '../src/config.ts'
import { GreenroomError } from '../src/errors.ts'

const api = {
  DATABASE_URL: 'postgresql://u@h/d',
  REDIS_URL: 'redis://h:6379',
  GREENROOM_ASSIGN_KEY_FILE: '/keys.json',
  GREENROOM_HMAC_SECRET: 'x'.repeat(32),
  GREENROOM_API_KEYS: 'a-key-of-sixteen-characters,another-key-of-sixteen',
}

function messageOf(load: () => unknown): string {
  try {
    load()
  } catch (error) {
    if (error instanceof GreenroomError && error.code === 'GRN_INVALID_CONFIG') return error.message
    throw error
  }
  throw new Error('the configuration was accepted')
}

void t.test('who migrates, and who gets the right to rows', async (t) => {
  const url = 'postgres://app:x@h/db'
  const owner = 'postgres://owner@h/db'
  const access = (env: Record<string, string>) =>
    migrateAccess(loadConfig('migrate', { DATABASE_URL: url, ...env }))
  t.same(access({}), { url, role: undefined }, 'one role for both')
  t.same(access({ GREENROOM_DATABASE_ROLE: 'app' }), { url, role: 'app' })
  t.same(access({ GREENROOM_MIGRATE_DATABASE_URL: owner }), { url: owner, role: 'app' })
  t.same(access({ GREENROOM_MIGRATE_DATABASE_URL: owner, GREENROOM_DATABASE_ROLE: 'b' }), {
    url: owner,
    role: 'b',
  })
  t.same(access({ GREENROOM_MIGRATE_DATABASE_URL: owner, DATABASE_URL: 'postgres://h/db' }), {
    url: owner,
    role: undefined,
  })
})

void t.test('defaults stand for what is not set; numbers are numbers', async (t) => {
  t.match(loadConfig('api', api), {
    GREENROOM_NAMESPACE: 'ai-agents',
    GREENROOM_LOG_LEVEL: 'info',
    GREENROOM_HOST: '0.0.0.0',
    GREENROOM_PORT: 3000,
    DATABASE_URL: 'postgresql://u@h/d',
  })
  t.equal(loadConfig('api', { ...api, GREENROOM_PORT: '0' }).GREENROOM_PORT, 0)
  t.equal(opsPort(loadConfig('controller', api)), 3001)
  t.equal(opsPort(loadConfig('api', { ...api, GREENROOM_CONTROLLER_PORT: '3009' })), 3001)
  t.equal(
    opsPort(loadConfig('controller', { ...api, GREENROOM_CONTROLLER_PORT: '3009' })),
    3009,
    'its older name',
  )
  const both = { ...api, GREENROOM_CONTROLLER_PORT: '3009', GREENROOM_OPS_PORT: '0' }
  t.equal(opsPort(loadConfig('controller', both)), 0)
  t.equal(loadConfig('api', api).GREENROOM_PUBLIC_DOCS, false)
  t.equal(loadConfig('api', { ...api, GREENROOM_PUBLIC_DOCS: 'true' }).GREENROOM_PUBLIC_DOCS, true)
  t.throws(() => loadConfig('api', { ...api, GREENROOM_PUBLIC_DOCS: 'perhaps' }), /GREENROOM_PUBLIC_DOCS/)
  t.equal(
    loadConfig('api', { ...api, GREENROOM_NAMESPACE: '' }).GREENROOM_NAMESPACE,
    'ai-agents',
    'empty is not set',
  )
  t.notOk('PATH' in loadConfig('api', { ...api, PATH: '/bin' }), 'only what the role knows')
})

void t.test('a secret made of digits stays text', async (t) => {
  const digits = '1'.repeat(40)
  t.equal(loadConfig('api', { ...api, GREENROOM_HMAC_SECRET: digits }).GREENROOM_HMAC_SECRET, digits)
})

void t.test('every problem is named at once', async (t) => {
  const message = messageOf(() => loadConfig('api', {}))
  for (const name of Object.keys(api)) t.match(message, `${name}: is missing`)
  t.match(message, 'role api')
  const wrong = messageOf(() =>
    loadConfig('api', {
      ...api,
      GREENROOM_PORT: 'many',
      GREENROOM_LOG_LEVEL: 'loud',
      DATABASE_URL: 'mysql://h',
    }),
  )
  for (const name of ['GREENROOM_PORT', 'GREENROOM_LOG_LEVEL', 'DATABASE_URL']) t.match(wrong, name)
  t.notMatch(wrong, 'REDIS_URL')
})

void t.test('values are never repeated: they may be credentials', async (t) => {
  const secret = 'hunter2'
  const environment = Object.fromEntries(Object.keys(api).map((name) => [name, secret]))
  const message = messageOf(() =>
    loadConfig('api', { ...environment, GREENROOM_PORT: secret, LIVEKIT_URL: secret }),
  )
  t.notMatch(message, secret)
  t.match(message, 'GREENROOM_HMAC_SECRET')
})

void t.test('LiveKit is configured whole or not at all', async (t) => {
  const all = { LIVEKIT_URL: 'wss://h', LIVEKIT_API_KEY: 'k', LIVEKIT_API_SECRET: 's' }
  t.match(loadConfig('api', { ...api, ...all }), all)
  const message = messageOf(() => loadConfig('api', { ...api, LIVEKIT_URL: 'wss://h' }))
  t.match(message, 'LIVEKIT_API_KEY: is missing')
  t.match(message, 'LIVEKIT_API_SECRET: is missing')
  t.notMatch(message, 'LIVEKIT_URL')
})

void t.test('an issuer of tokens is configured whole, with scopes that there are', async (t) => {
  const issuer = {
    GREENROOM_OIDC_ISSUER: 'https://id.example.com/realm',
    GREENROOM_OIDC_AUDIENCE: 'greenroom',
  }
  const scopes = 'staff=sessions:open sessions:read,platform ops=admin'
  t.match(loadConfig('api', { ...api, ...issuer, GREENROOM_OIDC_SCOPES: scopes }), {
    ...issuer,
    GREENROOM_OIDC_SCOPES_CLAIM: 'scope',
  })
  const wrong: [Record<string, string>, RegExp][] = [
    [{ GREENROOM_OIDC_AUDIENCE: 'greenroom' }, /GREENROOM_OIDC_ISSUER: is missing/],
    [{ GREENROOM_OIDC_ISSUER: issuer.GREENROOM_OIDC_ISSUER }, /GREENROOM_OIDC_AUDIENCE: is missing/],
    [{ ...issuer, GREENROOM_OIDC_ISSUER: 'http://id.example.com' }, /GREENROOM_OIDC_ISSUER/],
    [{ ...issuer, GREENROOM_OIDC_ISSUER: 'http://127.0.0.1.example.com' }, /GREENROOM_OIDC_ISSUER/],
    [{ ...issuer, GREENROOM_OIDC_JWKS_URL: 'file:///etc/keys' }, /GREENROOM_OIDC_JWKS_URL/],
    ...['staff', 'staff=', 'staff=root', 'staff=admin,', '=admin', 'staff=admin;ops=admin'].map(
      (text): [Record<string, string>, RegExp] => [
        { ...issuer, GREENROOM_OIDC_SCOPES: text },
        /GREENROOM_OIDC_SCOPES/,
      ],
    ),
  ]
  for (const [given, problem] of wrong)
    t.match(
      messageOf(() => loadConfig('api', { ...api, ...given })),
      problem,
    )
})

void t.test('ServiceAccounts have a project and scopes that there are', async (t) => {
  const text = 'shop/frontend=checkout sessions:open sessions:end,ops/console=* admin'
  const config = loadConfig('api', {
    ...api,
    GREENROOM_SERVICE_ACCOUNTS: text,
    GREENROOM_TOKEN_REVIEW: 'true',
  })
  t.match(config, { GREENROOM_SERVICE_ACCOUNTS: text, GREENROOM_TOKEN_REVIEW: true })
  for (const wrong of [
    'shop/frontend',
    'shop=a admin',
    'shop/f=admin',
    'shop/f=a root',
    'shop/f=a admin,',
    'Shop/f=a admin',
  ])
    t.match(
      messageOf(() => loadConfig('api', { ...api, GREENROOM_SERVICE_ACCOUNTS: wrong })),
      /GREENROOM_SERVICE_ACCOUNTS/,
      wrong,
    )
})

void t.test('the controller knows LiveKit by the same rule, and how long a node may be silent', async (t) => {
  t.equal(loadConfig('controller', api).GREENROOM_NODE_LOST_SECONDS, 300)
  t.match(
    messageOf(() => loadConfig('controller', { ...api, LIVEKIT_API_KEY: 'k' })),
    'LIVEKIT_URL: is missing',
  )
  for (const GREENROOM_NODE_LOST_SECONDS of ['0', '-1', 'x'])
    t.match(
      messageOf(() => loadConfig('controller', { ...api, GREENROOM_NODE_LOST_SECONDS })),
      'GREENROOM_NODE_LOST_SECONDS',
    )
})

void t.test('ports and keys out of bounds are refused', async (t) => {
  for (const GREENROOM_PORT of ['-1', '65536', '1e9', 'x']) {
    t.match(
      messageOf(() => loadConfig('api', { ...api, GREENROOM_PORT })),
      'GREENROOM_PORT',
      GREENROOM_PORT,
    )
  }
  for (const GREENROOM_API_KEYS of [
    'short',
    'a-key-of-sixteen-characters,',
    'a key with blanks in between',
  ]) {
    t.match(
      messageOf(() => loadConfig('api', { ...api, GREENROOM_API_KEYS })),
      'GREENROOM_API_KEYS',
    )
  }
})

void t.test('each role asks only for what it needs', async (t) => {
  t.same([...roles].sort(), [
    'api',
    'caller',
    'controller',
    'doctor',
    'explain',
    'migrate',
    'pools',
    'scan',
    'webhook',
  ])
  t.match(loadConfig('migrate', { DATABASE_URL: 'postgres://h/d' }), { DATABASE_URL: 'postgres://h/d' })
  const stores = { DATABASE_URL: 'postgres://h/d', REDIS_URL: 'redis://h' }
  for (const role of ['explain', 'scan'] as const)
    t.match(loadConfig(role, {}), { GREENROOM_NAMESPACE: 'ai-agents' })
  t.match(loadConfig('doctor', stores), stores, 'it signs nothing')
  const files = { GREENROOM_WEBHOOK_CERT_FILE: '/c', GREENROOM_WEBHOOK_KEY_FILE: '/k' }
  t.match(loadConfig('webhook', files), {
    ...files,
    GREENROOM_WEBHOOK_PORT: 8443,
    GREENROOM_DRAIN_MS: 10_000,
  })
})

void t.test('where certificates come from', async (t) => {
  const files = { GREENROOM_WEBHOOK_CERT_FILE: '/c', GREENROOM_WEBHOOK_KEY_FILE: '/k' }
  t.equal(certificateSource(loadConfig('webhook', {})), 'built-in')
  t.equal(certificateSource(loadConfig('webhook', files)), 'files')
  t.equal(
    certificateSource(loadConfig('webhook', { ...files, GREENROOM_WEBHOOK_CERTIFICATES: 'built-in' })),
    'built-in',
  )
  const none = messageOf(() => loadConfig('webhook', { GREENROOM_WEBHOOK_CERTIFICATES: 'files' }))
  for (const name of Object.keys(files)) t.match(none, `${name}: is missing`)
  const lives = { GREENROOM_WEBHOOK_CA_SECONDS: '100', GREENROOM_WEBHOOK_LEAF_SECONDS: '34' }
  t.match(
    messageOf(() => loadConfig('webhook', lives)),
    /GREENROOM_WEBHOOK_LEAF_SECONDS: .* a third/,
  )
  t.match(
    messageOf(() => loadConfig('webhook', { GREENROOM_WEBHOOK_TLS_MIN: 'TLSv1' })),
    'GREENROOM_WEBHOOK_TLS_MIN',
  )
  t.match(loadConfig('webhook', {}), {
    GREENROOM_WEBHOOK_TLS_MIN: 'TLSv1.3',
    GREENROOM_WEBHOOK_CLIENT_NAMES: 'kube-apiserver',
  })
})

void t.test('networks of webhooks: all that are none are named at once', async (t) => {
  const load = (GREENROOM_EVENT_NETWORKS: string) =>
    loadConfig('controller', { ...api, GREENROOM_EVENT_NETWORKS }).GREENROOM_EVENT_NETWORKS
  t.equal(loadConfig('controller', api).GREENROOM_EVENT_NETWORKS, '')
  t.same(eventNetworks(load('10.1.0.0/16, fd00::/8')), ['10.1.0.0/16', 'fd00::/8'])
  const message = messageOf(() => load('10.1.0.0/16,10.2.0.0,10.3.0.0/33,fd00::/129,everything/0'))
  for (const bad of ['10.2.0.0', '10.3.0.0/33', 'fd00::/129', 'everything/0']) t.match(message, `"${bad}"`)
  t.notMatch(message, '"10.1.0.0/16"')
})

void t.test(
  'tracing is asked for by the names of its standard, and what is not valid stops the start',
  (t) => {
    t.match(
      loadConfig('api', {
        ...api,
        OTEL_EXPORTER_OTLP_ENDPOINT: 'http://collector:4318',
        GREENROOM_TRACING: 'true',
      }),
      { OTEL_EXPORTER_OTLP_ENDPOINT: 'http://collector:4318', GREENROOM_TRACING: true },
    )
    t.match(
      loadConfig('api', { ...api, OTEL_TRACES_SAMPLER: 'traceidratio', OTEL_TRACES_SAMPLER_ARG: '0.25' }),
      { OTEL_TRACES_SAMPLER: 'traceidratio', OTEL_TRACES_SAMPLER_ARG: 0.25 },
    )
    for (const wrong of [
      { GREENROOM_TRACING: 'perhaps' },
      { OTEL_EXPORTER_OTLP_ENDPOINT: 'collector:4318' },
      { OTEL_TRACES_SAMPLER: 'sometimes' },
      { OTEL_TRACES_SAMPLER_ARG: '2' },
      { OTEL_TRACES_SAMPLER_ARG: 'x' },
    ]) {
      const [name = ''] = Object.keys(wrong)
      t.match(
        messageOf(() => loadConfig('api', { ...api, ...wrong })),
        new RegExp(name),
      )
    }
    t.end()
  },
)
