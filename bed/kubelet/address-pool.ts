import { createServer, type Server } from 'node:net'
import { isFree } from '../servers/free-port.ts'

/** Loopback addresses for pods: each has its own, so that every agent can listen on the same port. */
export interface AddressPool {
  /** The node's own. */
  readonly nodeAddress: string
  take(): string
  giveBack(address: string): void
  close(): Promise<void>
}

/** The kubelet's port. Holding it at the node's address keeps a second kubelet of this machine out of the range. */
const kubeletPort = 10_250
/** The port that agents listen on. A program that listens there on all addresses takes it from every pod. */
const agentPort = 8080

/** `prefix`: `127.77`; otherwise a range that no other kubelet of this machine has at present. */
export async function createAddressPool(prefix?: string): Promise<AddressPool> {
  const { range, claim } = await claimRange(prefix)
  const nodeAddress = `${range}.0.1`
  if (!(await isFree(agentPort, nodeAddress))) {
    claim.close()
    throw new Error(
      `a program of this machine listens on port ${agentPort} at all addresses; stop it, for each agent pod listens there`,
    )
  }
  const inUse = new Set<string>()
  let last = 255
  return {
    nodeAddress,
    take: () => {
      // Addresses are reused as late as possible, so that a late packet to a dead pod does not reach another pod.
      for (let tries = 0; tries < 65_536; tries++) {
        last = last >= 65_534 ? 256 : last + 1
        const [third, fourth] = [last >> 8, last & 255]
        const address = `${range}.${third}.${fourth}`
        if (fourth === 0 || fourth === 255 || inUse.has(address)) continue
        inUse.add(address)
        return address
      }
      throw new Error(`all addresses of ${range}.0.0/16 are in use`)
    },
    giveBack: (address) => inUse.delete(address),
    close: async () => {
      const { promise, resolve } = Promise.withResolvers<void>()
      claim.close(() => resolve())
      await promise
    },
  }
}

async function claimRange(prefix: string | undefined): Promise<{ range: string; claim: Server }> {
  const candidates = prefix ? [prefix] : randomRanges()
  for (const range of candidates) {
    const claim = await listen(`${range}.0.1`)
    if (claim) return { range, claim }
  }
  throw new Error(`no range of loopback addresses is free (${prefix ?? '127.0.0.0/8'})`)
}

/** All second octets but 0 (the machine's own services), in random order. */
function randomRanges(): string[] {
  return Array.from({ length: 254 }, (_, index) => ({ range: `127.${index + 1}`, order: Math.random() }))
    .sort((a, b) => a.order - b.order)
    .map(({ range }) => range)
}

function listen(host: string): Promise<Server | undefined> {
  const { promise, resolve } = Promise.withResolvers<Server | undefined>()
  const server = createServer((socket) => socket.destroy())
  server.once('error', () => resolve(undefined))
  server.listen({ host, port: kubeletPort, exclusive: true }, () => resolve(server))
  return promise
}
