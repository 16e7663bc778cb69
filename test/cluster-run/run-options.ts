import { parseArgs } from 'node:util'

/** What a run on a real cluster needs to know; the README of this folder says how to come by it. */
export interface RunOptions {
  /** Of the cluster's administrator. */
  readonly kubeconfig: string
  /** Greenroom's image, already loaded on every node. */
  readonly image: string
  readonly stores: StoreOptions
  /** Where callers reach the Service; its cluster address unless given. */
  readonly apiUrl: string | undefined
  /** Leave everything in the cluster at the end. */
  readonly keep: boolean
}

/** Servers of the test's own at an address of this machine that pods reach, or servers that are there already. */
export type StoreOptions =
  | { readonly hostAddress: string }
  | { readonly redisUrl: string; readonly databaseUrl: string }

const usage = `usage: KUBECONFIG=FILE npm run cluster:rolling-restart -- --image NAME:TAG (--host-address IP | --redis-url URL --database-url URL)
  [--api-url URL] [--keep]
--image NAME:TAG    Greenroom's image, loaded in the cluster (see below)
--host-address IP   an address of this machine that pods reach; the test starts its own Redis and PostgreSQL there
--redis-url URL, --database-url URL   servers of yours that pods and this machine reach; the database is empty
--api-url URL       where this machine reaches the Service's pods; default: its cluster address
--keep              leave the installation in the cluster

Build the image and load it, in the repository's folder, with the digest of its base (see the Dockerfile) in NODE_DIGEST:
  docker build --build-arg NODE_DIGEST -t greenroom:0.1.0 . && kind load docker-image greenroom:0.1.0     (minikube image load greenroom:0.1.0)
  buildah build --build-arg NODE_DIGEST -t greenroom:0.1.0 . && buildah push greenroom:0.1.0 docker-archive:greenroom.tar:greenroom:0.1.0
    and, on the node: ctr -n k8s.io images import greenroom.tar`

/** Undefined, with the usage on stderr, if the arguments are wrong. */
export function readRunOptions(
  argv: readonly string[],
  kubeconfig: string | undefined,
): RunOptions | undefined {
  try {
    return parsed(argv, kubeconfig)
  } catch (error) {
    console.error(`${(error as Error).message}\n\n${usage}`)
    return undefined
  }
}

function parsed(argv: readonly string[], kubeconfig: string | undefined): RunOptions {
  const { values } = parseArgs({
    args: [...argv],
    options: {
      image: { type: 'string' },
      'host-address': { type: 'string' },
      'redis-url': { type: 'string' },
      'database-url': { type: 'string' },
      'api-url': { type: 'string' },
      keep: { type: 'boolean', default: false },
    },
  })
  const { image, keep, 'api-url': apiUrl } = values
  if (!kubeconfig) throw new Error('KUBECONFIG is not set')
  if (!image || !/^[^:@\s]+(:\d+\/[^:@\s]+)?:[\w.-]+$/.test(image)) throw new Error('--image takes NAME:TAG')
  if (image.endsWith(':latest')) throw new Error('--image: Kubernetes pulls the tag latest each time')
  const stores = storesOf(values['host-address'], values['redis-url'], values['database-url'])
  return { kubeconfig, image, stores, apiUrl: apiUrl?.replace(/\/$/, ''), keep }
}

function storesOf(hostAddress?: string, redisUrl?: string, databaseUrl?: string): StoreOptions {
  if (hostAddress && !redisUrl && !databaseUrl) return { hostAddress }
  if (!hostAddress && redisUrl && databaseUrl) return { redisUrl, databaseUrl }
  throw new Error('give --host-address, or both --redis-url and --database-url')
}
