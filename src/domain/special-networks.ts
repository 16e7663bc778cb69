/**
 * IPv4 that is not the internet: this host, private, carrier-grade NAT, loopback, link-local (metadata of the cloud), private,
 * protocol assignments, private, benchmarks, multicast, reserved and broadcast.
 */
export const notInternetIpv4 = [
  '0.0.0.0/8',
  '10.0.0.0/8',
  '100.64.0.0/10',
  '127.0.0.0/8',
  '169.254.0.0/16',
  '172.16.0.0/12',
  '192.0.0.0/24',
  '192.168.0.0/16',
  '198.18.0.0/15',
  '224.0.0.0/4',
  '240.0.0.0/4',
] as const
