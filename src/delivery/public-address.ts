import { BlockList, isIPv4, isIPv6 } from 'node:net'
import { notInternetIpv4 } from '../domain/special-networks.ts'

/** IANA's special-purpose registries: besides what a network policy leaves out, documentation and 6to4 relays. */
const specialIpv4 = [
  ...notInternetIpv4,
  '192.0.2.0/24',
  '192.88.99.0/24',
  '198.51.100.0/24',
  '203.0.113.0/24',
]
/** All of IPv6 that is in the internet, and what is not in there: tunnels that lead to an IPv4 address, documentation. */
const globalIpv6 = '2000::/3'
const specialIpv6 = ['2001::/23', '2001:db8::/32', '2002::/16', '3fff::/20']

const notPublic = networks([...specialIpv4, ...specialIpv6])
const global = networks([globalIpv6])

/** Networks as `10.1.0.0/16` or `fd00::/8`. Throws for anything else. */
export function networks(list: readonly string[]): BlockList {
  const blocks = new BlockList()
  for (const network of list) {
    const [address = '', prefix = '', ...more] = network.split('/')
    const family = isIPv4(address) ? 'ipv4' : 'ipv6'
    if (more.length > 0 || !/^\d{1,3}$/.test(prefix) || (family === 'ipv6' && !isIPv6(address)))
      throw new Error(`"${network}" is not a network`)
    blocks.addSubnet(address, Number(prefix), family)
  }
  return blocks
}

export function isIn(blocks: BlockList, address: string): boolean {
  const plain = withoutZone(address)
  const ipv4 = mappedIpv4(plain)
  if (ipv4 !== undefined) return blocks.check(ipv4, 'ipv4')
  return isIPv4(plain) ? blocks.check(plain, 'ipv4') : isIPv6(plain) && blocks.check(plain, 'ipv6')
}

/** Whether this is an address of the internet. An IPv4 address that is written as IPv6 counts as what it is. */
export function isPublicAddress(address: string): boolean {
  const plain = withoutZone(address)
  const ipv4 = mappedIpv4(plain) ?? plain
  if (isIPv4(ipv4)) return !notPublic.check(ipv4, 'ipv4')
  return isIPv6(plain) && global.check(plain, 'ipv6') && !notPublic.check(plain, 'ipv6')
}

function withoutZone(address: string): string {
  return address.split('%', 1)[0] ?? ''
}

/** `::ffff:10.0.0.1` in any spelling. The parser of URLs gives one spelling. */
function mappedIpv4(address: string): string | undefined {
  if (!isIPv6(address)) return undefined
  const { hostname } = new URL(`http://[${address}]`)
  const [, high, low] = /^\[::ffff:([0-9a-f]{1,4}):([0-9a-f]{1,4})\]$/.exec(hostname) ?? []
  if (high === undefined || low === undefined) return undefined
  const [a, b] = [Number.parseInt(high, 16), Number.parseInt(low, 16)]
  return [a >> 8, a & 255, b >> 8, b & 255].join('.')
}
