import { isIP } from 'node:net'
import type { OptionValues } from '../line/command-spec.ts'
import { wrongArguments } from '../line/wrong-arguments.ts'

/** What is configured, as far as the network policies depend on it. */
export interface NetworkSettings {
  readonly liveKit: readonly LiveKitPlace[]
  readonly liveKitMedia: readonly Port[]
  /** Agents may ask model providers on the internet. */
  readonly modelProviders: boolean
  /** Public addresses that are out of agents' reach besides. */
  readonly outOfReach: readonly string[]
  /** Prometheus runs there. */
  readonly monitoring: readonly string[]
  /** Empty: only the operator knows where it is. */
  readonly apiServer: readonly Address[]
  readonly postgres: readonly StorePlace[]
  readonly redis: readonly StorePlace[]
}

export interface Port {
  readonly protocol: 'TCP' | 'UDP'
  readonly port: number
  readonly endPort?: number
}

export interface Address {
  readonly cidr: string
  readonly ports: readonly number[]
}

/** Where LiveKit is, and the port of its signalling. `public`: somewhere on the internet, for policies know no host names. */
export type LiveKitPlace =
  | { readonly in: 'component'; readonly port: number }
  | { readonly in: 'public'; readonly port: number }
  | { readonly in: 'namespace'; readonly name: string; readonly port: number }
  | { readonly in: 'addresses'; readonly cidr: string; readonly port: number }

export type StorePlace =
  | { readonly in: 'component'; readonly port: number }
  | { readonly in: 'addresses'; readonly cidr: string; readonly port: number }

const agentsNamespace = 'ai-agents'
const signallingPort = 7880

/** Of manifests/base, which knows nothing of its cluster: LiveKit in a namespace of its name, beside the agents, or elsewhere. */
export const unknownSettings: NetworkSettings = {
  liveKit: [
    { in: 'namespace', name: 'livekit', port: signallingPort },
    { in: 'component', port: signallingPort },
    { in: 'public', port: signallingPort },
  ],
  liveKitMedia: [
    { protocol: 'TCP', port: 7881 },
    { protocol: 'UDP', port: 7882 },
    { protocol: 'UDP', port: 50_000, endPort: 60_000 },
  ],
  modelProviders: true,
  outOfReach: [],
  monitoring: ['monitoring'],
  apiServer: [],
  postgres: [],
  redis: [],
}

export interface NetworkPoliciesArguments {
  readonly settings: NetworkSettings
  readonly namespace: string | undefined
}

/** @throws GreenroomError GRN_WRONG_ARGUMENTS with what is wrong */
export function readNetworkPoliciesArguments(
  values: OptionValues<typeof networkOptions>,
): NetworkPoliciesArguments {
  try {
    const urls = values['livekit-url'] ?? []
    const places = urls.map(liveKitAt)
    const port = places[0]?.port ?? signallingPort
    const liveKit = [
      ...places,
      ...(values['livekit-cidr'] ?? []).map((cidr) => ({
        in: 'addresses' as const,
        cidr: block(cidr),
        port,
      })),
    ]
    const media = values['livekit-media']
    const { namespace } = values
    if (namespace !== undefined && namespace !== agentsNamespace && namespace !== 'greenroom-system') {
      throw new Error(`--namespace ${namespace} has no policies of ours`)
    }
    return {
      namespace,
      settings: {
        liveKit: liveKit.length > 0 ? liveKit : unknownSettings.liveKit,
        liveKitMedia: media === undefined ? unknownSettings.liveKitMedia : media.split(',').map(portOf),
        modelProviders: values['no-model-providers'] !== true,
        outOfReach: (values['out-of-reach'] ?? []).map(block),
        monitoring: values['monitoring-namespace']?.map(namespaceName) ?? unknownSettings.monitoring,
        apiServer: (values['api-server'] ?? []).map((text) => address(text, [443, 6443])),
        postgres: (values.postgres ?? []).map((text) => storeAt(text, 5432)),
        redis: (values.redis ?? []).map((text) => storeAt(text, 6379)),
      },
    }
  } catch (error) {
    const problem = error instanceof Error ? error.message : String(error)
    throw wrongArguments(`${problem}.`)
  }
}

const many = { type: 'string', multiple: true } as const

export const networkOptions = {
  'livekit-url': {
    ...many,
    value: 'URL',
    help: 'where session servers and agents find LiveKit: ws://livekit:7880 (the component), ws://NAME.NAMESPACE.svc:7880, ws://10.20.30.4:7880, wss://… (then the internet, on its ports)',
  },
  'livekit-cidr': {
    ...many,
    value: 'CIDR',
    help: 'LiveKit at addresses, on the port of the first URL; with hostNetwork those of its nodes',
  },
  'livekit-media': {
    type: 'string',
    value: 'PORTS',
    help: 'its ports of media (7881/TCP,7882/UDP,50000-60000/UDP unless given)',
  },
  'no-model-providers': {
    type: 'boolean',
    help: 'agents reach nothing on the internet, but a LiveKit that is there',
  },
  'out-of-reach': {
    ...many,
    value: 'CIDR',
    help: 'public addresses that agents must not reach, such as a NAT64 prefix of yours',
  },
  'monitoring-namespace': {
    ...many,
    value: 'NAME',
    help: 'where Prometheus runs (monitoring unless given). A namespace with the label greenroom.dev/monitoring=enabled always may',
  },
  'api-server': {
    ...many,
    value: 'ADDRESS',
    help: 'CIDR or CIDR:PORT of the API server (ports 443 and 6443 unless given): kubectl get endpointslices -n default -l kubernetes.io/service-name=kubernetes',
  },
  postgres: { ...many, value: 'PLACE', help: 'component, CIDR or CIDR:PORT' },
  redis: {
    ...many,
    value: 'PLACE',
    help: 'the same. With --api-server, --postgres, --redis and --livekit-url the session server reaches nothing else',
  },
  namespace: {
    type: 'string',
    short: 'n',
    value: 'NAME',
    help: 'only the policies of ai-agents or of greenroom-system',
  },
} as const

const securePort = 443
const plainPort = 80

function liveKitAt(text: string): LiveKitPlace {
  const url = URL.parse(text)
  if (!url || !/^(wss?|https?):$/.test(url.protocol)) {
    throw new Error(`--livekit-url ${text} is not a ws(s) address`)
  }
  const isSecure = url.protocol === 'wss:' || url.protocol === 'https:'
  const port = url.port === '' ? (isSecure ? securePort : plainPort) : Number(url.port)
  const host = url.hostname.replace(/^\[(.*)\]$/, '$1')
  if (isIP(host) > 0) return { in: 'addresses', cidr: block(host), port }
  const [, namespace = host.includes('.') ? undefined : agentsNamespace] =
    /^[^.]+\.([^.]+)\.svc(?:\.|$)/.exec(host) ?? []
  if (namespace === undefined) return { in: 'public', port }
  return namespace === agentsNamespace
    ? { in: 'component', port }
    : { in: 'namespace', name: namespace, port }
}

function storeAt(text: string, port: number): StorePlace {
  if (text === 'component') return { in: 'component', port }
  const { cidr, ports } = address(text, [port])
  return { in: 'addresses', cidr, port: ports[0] ?? port }
}

/** `10.0.0.1`, `10.0.0.0/28:6443`, `2001:db8::/64` or `[2001:db8::1]:6443`. */
function address(text: string, ports: readonly number[]): Address {
  const [, bracketed, bracketedPort] = /^\[([^\]]+)\](?::(\d+))?$/.exec(text) ?? []
  const [, plain, plainPort] = /^([^:]+):(\d+)$/.exec(text) ?? []
  const port = bracketedPort ?? plainPort
  return {
    cidr: block(bracketed ?? plain ?? text),
    ports: port === undefined ? ports : [portNumber(port)],
  }
}

const longestPrefix = { 4: 32, 6: 128 } as const

/** An address is the block of itself. */
function block(text: string): string {
  const [net = '', prefix, ...more] = text.split('/')
  const family = isIP(net)
  if (family !== 4 && family !== 6) throw new Error(`${text} is not a block of addresses`)
  const longest = longestPrefix[family]
  const length = prefix === undefined ? longest : Number(prefix)
  if (more.length > 0 || !/^\d*$/.test(prefix ?? '') || prefix === '' || length > longest) {
    throw new Error(`${text} is not a block of addresses`)
  }
  return `${net}/${length}`
}

const largestPort = 65_535

function portNumber(text: string): number {
  const port = Number(text)
  if (!/^\d+$/.test(text) || port < 1 || port > largestPort) throw new Error(`${text} is not a port`)
  return port
}

function portOf(text: string): Port {
  const [, first = '', last, protocol] = /^(\d+)(?:-(\d+))?\/(TCP|UDP)$/.exec(text) ?? []
  if (protocol !== 'TCP' && protocol !== 'UDP') {
    throw new Error(`--livekit-media ${text} is not PORT/TCP, PORT/UDP or FIRST-LAST/UDP`)
  }
  const port = portNumber(first)
  if (last === undefined) return { protocol, port }
  const endPort = portNumber(last)
  if (endPort < port) throw new Error(`--livekit-media ${text} ends before it begins`)
  return { protocol, port, endPort }
}

function namespaceName(text: string): string {
  if (!/^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/.test(text))
    throw new Error(`${text} is not a namespace's name`)
  return text
}
