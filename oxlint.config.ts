/**
 * What the linter holds. The greater part is the plan of the house: which room of `src` may import which.
 * CONTRIBUTING.md says what each room is for; test/lint-boundaries.test.ts plants a violation of every rule here.
 */

/** The rooms of `src`, each with the rooms that it may import. Every other import is refused. */
export const rooms = {
  domain: [],
  timing: [],
  tracing: ['domain'],
  serving: ['timing'],
  admission: ['domain'],
  sessions: ['domain', 'timing', 'tracing'],
  identity: ['domain', 'timing'],
  certificates: ['domain', 'timing'],
  stores: ['domain', 'timing', 'tracing'],
  cluster: ['domain', 'timing', 'certificates'],
  delivery: ['domain', 'timing', 'tracing'],
  livekit: ['domain', 'timing'],
  controllers: ['domain', 'timing', 'admission'],
  http: ['domain', 'timing', 'tracing', 'serving', 'sessions', 'identity'],
  webhook: ['domain', 'timing', 'serving', 'admission', 'certificates'],
  agent: ['domain', 'timing', 'tracing'],
  // Served to browsers and packed for npm: nothing but itself.
  client: [],
  try: ['client'],
  // Types of `domain` alone: no browser can load its sources. dashboard-routes.test.ts follows every import.
  dashboard: ['client', 'domain'],
  // Colours, type and controls: no scripts.
  look: [],
  // Composition: these two may import everything but main.ts.
  roles: 'all',
  cli: 'all',
} as const satisfies Record<string, readonly string[] | 'all'>

/** The rooms of `src/admission`, highest first: each may import those below it, never one above. */
export const admissionRooms = ['explain', 'review', 'mutate', 'rules', 'policy', 'standards', 'pod'] as const

/** The rooms of `bed`, highest first, by the same rule. `bed.ts` composes them; `programs` are what people start. */
export const bedRooms = ['programs', 'replicas', 'kubelet', 'servers', 'set-up', 'processes'] as const

/** Rooms whose functions answer from their arguments alone. */
export const pureRooms = ['domain', 'admission'] as const

interface Pattern {
  readonly group: readonly string[]
  readonly message: string
  readonly allowTypeImports?: boolean
}

const nothingImportsMain: Pattern = {
  group: ['**/main.ts'],
  message: 'main.ts starts the program; nothing imports it.',
}

const purePatterns: readonly Pattern[] = [
  {
    group: ['node:*', 'fs', 'crypto', 'http', 'https', 'path', 'os', 'child_process', 'net'],
    message: 'domain/ and admission/ are pure: no node:*, no I/O.',
  },
  {
    group: [
      'ioredis',
      'pg',
      'fastify',
      'prom-client',
      'pino',
      '@opentelemetry/*',
      'livekit-server-sdk',
      '@kubernetes/client-node',
      'undici',
    ],
    message: 'domain/ and admission/ are pure: clients belong to adapters. Their types may be named.',
    allowTypeImports: true,
  },
  {
    group: ['**/config.ts', '**/logging.ts', '**/metrics.ts', '**/*-metrics.ts', '**/lifecycle.ts'],
    message: 'domain/ and admission/ are pure: configuration, logs and metrics belong to adapters.',
  },
]

const nothingImportsTests: Pattern = {
  group: ['**/test/**'],
  message: 'bed/ serves the demo and development as well as the tests: it imports none of them.',
}

function foldersOf(names: readonly string[]): string[] {
  return names.map((name) => `**/${name}/**`)
}

function forbiddenRooms(room: keyof typeof rooms): Pattern[] {
  const allowed: readonly string[] | 'all' = rooms[room]
  if (allowed === 'all') return []
  const forbidden = Object.keys(rooms).filter((other) => other !== room && !allowed.includes(other))
  const message = `${room}/ may import ${allowed.length > 0 ? allowed.join(', ') : 'no other room'} (oxlint.config.ts).`
  return [{ group: foldersOf(forbidden), message }]
}

function roomPatterns(room: keyof typeof rooms): Pattern[] {
  const isPure = (pureRooms as readonly string[]).includes(room)
  return [...forbiddenRooms(room), nothingImportsMain, ...(isPure ? purePatterns : [])]
}

function restricted(folder: string, patterns: readonly Pattern[]) {
  return { files: [`${folder}/**/*.ts`], rules: { 'no-restricted-imports': ['error', { patterns }] } }
}

const roomOverrides = (Object.keys(rooms) as (keyof typeof rooms)[]).map((room) =>
  restricted(`src/${room}`, roomPatterns(room)),
)

/** Later entries replace earlier ones: each of these holds what is asked of all of `src/admission` as well. */
const admissionOverrides = admissionRooms.map((room, index) => {
  const above = admissionRooms.slice(0, index)
  const message = `A room of admission/ imports only those below it: ${admissionRooms.join(' > ')}.`
  return restricted(`src/admission/${room}`, [
    ...roomPatterns('admission'),
    ...(above.length > 0 ? [{ group: foldersOf(above), message }] : []),
  ])
})

const bedOverrides = [
  restricted('bed', [nothingImportsMain, nothingImportsTests]),
  ...bedRooms.map((room, index) => {
    const above = bedRooms.slice(0, index)
    const message = `A room of bed/ imports only those below it: ${bedRooms.join(' > ')}.`
    return restricted(`bed/${room}`, [
      nothingImportsMain,
      nothingImportsTests,
      ...(above.length > 0 ? [{ group: [...foldersOf(above), '**/bed.ts'], message }] : []),
    ])
  }),
]

export default {
  plugins: ['typescript', 'import', 'unicorn', 'promise', 'node'],
  categories: { correctness: 'error' },
  env: { node: true },
  // The last is no part of ours: a program for the pods that check a cluster.
  ignorePatterns: ['node_modules', '.tap', 'test/fixtures', 'bed/cluster/checks'],
  rules: {
    'typescript/no-floating-promises': 'error',
    'typescript/no-misused-promises': 'error',
    'typescript/switch-exhaustiveness-check': 'error',
    'typescript/consistent-type-imports': 'error',
    'typescript/no-explicit-any': 'error',
    'import/no-cycle': 'error',
    'import/no-default-export': 'error',
    'unicorn/filename-case': ['error', { case: 'kebabCase' }],
    'unicorn/prefer-node-protocol': 'error',
    'node/no-process-env': 'error',
    eqeqeq: 'error',
    'no-console': 'error',
    'no-var': 'error',
    'prefer-const': 'error',
    'max-params': ['error', { max: 4 }],
    complexity: ['error', { max: 20 }],
  },
  overrides: [
    ...roomOverrides,
    ...admissionOverrides,
    ...bedOverrides,
    {
      files: ['src/domain/**/*.ts', 'src/admission/**/*.ts'],
      rules: {
        'no-restricted-globals': ['error', 'process', 'performance', 'fetch', 'setTimeout', 'setInterval'],
        'no-restricted-properties': [
          'error',
          { object: 'Date', property: 'now', message: 'Time is an argument.' },
          { object: 'Math', property: 'random', message: 'Randomness is an argument.' },
        ],
      },
    },
    {
      files: [
        'src/config.ts',
        'src/agent/{echo-agent,serve,load-rtc}.ts',
        'src/cli/{agent-check,agent-exec,simulate}.ts',
        'bed/**/*.ts',
        'test/**/*.ts',
      ],
      rules: { 'node/no-process-env': 'off' },
    },
    {
      files: ['src/cli/**/*.ts', 'bed/**/*.ts', 'test/**/*.ts', 'webhook-certs/**/*.ts'],
      rules: { 'no-console': 'off' },
    },
    {
      files: ['bed/**/*.ts', 'test/**/*.ts'],
      rules: { 'max-params': 'off', complexity: 'off' },
    },
    { files: ['oxlint.config.ts'], rules: { 'import/no-default-export': 'off' } },
  ],
}
