/**
 * What each image that an example names is stood in for by; programs in stand-ins/. PostgreSQL, Redis and BusyBox are real, of
 * Debian's version; the rest are HTTP servers that want what the manifest has to give the program.
 */
export interface StandIn {
  /** `none`: no program of ours is process 1. */
  readonly role: 'postgres' | 'redis' | 'service' | 'none'
  /** The image's own user; what the manifest says goes before it. */
  readonly user?: number
  /** For `none`: what runs unless the pod says otherwise. */
  readonly command?: readonly string[]
  readonly env?: Readonly<Record<string, string>>
}

const postgres: StandIn = { role: 'postgres', user: 999 }
const redis: StandIn = { role: 'redis', user: 999 }

const service = (
  name: string,
  port: number | string,
  env: Readonly<Record<string, string>> = {},
): StandIn => ({
  role: 'service',
  env: { SERVICE: name, PORTS: `${port}`, ...env },
})

/** Two versions: the same agent tells something else, and there is one more. */
const station = (agents: Readonly<Record<string, string>>): StandIn =>
  service('station', '8585,8586', {
    REQUIRED: 'ENCRYPTION_KEY,STN_DEV_MODE',
    WANTED: 'OPENAI_API_KEY,GEMINI_API_KEY',
    AGENTS: JSON.stringify(agents),
  })

const alfredAgent = (name: string): StandIn =>
  service(name, 8011, { REQUIRED: 'ALFRED_ENVIRONMENT', SERVERS: 'ALFRED_DATABASE_URL' })

/** By the names in examples/. */
export const standIns: Readonly<Record<string, StandIn>> = {
  'station-env-name:v1': station({ greeter: 'say hello' }),
  'station-env-name:v2': station({ greeter: 'say good morning', closer: 'say goodbye' }),

  'alfred-platform/agent-core:2.0.0': alfredAgent('agent-core'),
  'alfred-platform/agent-financial:2.0.0': alfredAgent('agent-financial'),
  'alfred-platform/agent-social:2.0.0': alfredAgent('agent-social'),
  'alfred-platform/ui-chat:2.0.0': service('ui-chat', 8501),
  'supabase/postgres:15.1.0.117': { ...postgres, user: 105 },
  'redis:7.4': redis,
  'qdrant/qdrant:v1.14.1-unprivileged': service('qdrant', 6333, { PATHS: '/collections' }),
  'gcr.io/google.com/cloudsdktool/google-cloud-cli:529.0.0-emulators': service('pubsub-emulator', 8085),

  'sekhaha/sekha-controller:1.1.0': service('sekha-controller', 8080, {
    REQUIRED: 'LOG_LEVEL,MAX_CONNECTIONS,REST_API_KEY,MCP_API_KEY',
    SERVERS: 'DATABASE_URL,CHROMA_URL,OLLAMA_URL',
  }),
  'chromadb/chroma:1.0.15': service('chroma', 8000, { PATHS: '/api/v2/heartbeat' }),
  'ollama/ollama:0.9.6': service('ollama', 11_434, { PATHS: '/api/tags' }),
  'postgres:16': postgres,

  'postgres:16.15': postgres,
  'redis:7.4.11': redis,

  // examples/python-agent, itself. Without a room: the package livekit is not among Debian's.
  'stella-light:0.1.0': {
    role: 'none',
    user: 1000,
    command: ['python3', '/python-agent/agent.py'],
    env: { PYTHONDONTWRITEBYTECODE: '1' },
  },

  // For debugging: a shell with BusyBox's programs, and one with curl.
  'busybox:1.36': {
    role: 'none',
    user: 0,
    command: ['sh'],
    env: { PATH: '/busybox:/bin' },
  },
  'nicolaka/netshoot:v0.14': { role: 'none', user: 0, command: ['bash'] },
}
