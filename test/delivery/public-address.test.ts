import t from 'tap'
import { isIn, isPublicAddress, networks } from '../../src/delivery/public-address.ts'

const inside = [
  '0.0.0.0',
  '10.0.0.1',
  '100.64.0.1',
  '100.127.255.254',
  '127.0.0.1',
  '127.9.9.9',
  '169.254.169.254',
  '172.16.0.1',
  '172.31.255.255',
  '192.168.1.1',
  '192.0.0.170',
  '198.18.0.1',
  '203.0.113.9',
  '224.0.0.1',
  '239.1.2.3',
  '255.255.255.255',
  '::',
  '::1',
  '::ffff:127.0.0.1',
  '::ffff:7f00:1',
  '0:0:0:0:0:ffff:10.1.2.3',
  '::ffff:169.254.169.254',
  '::127.0.0.1',
  '64:ff9b::10.0.0.1',
  '64:ff9b:1::1',
  '100::1',
  '2001::1',
  '2001:db8::1',
  '2002:7f00:1::1',
  'fc00::1',
  'fd12:3456::1',
  'fe80::1',
  'fe80::1%eth0',
  'fec0::1',
  'ff02::1',
  'not an address',
  '',
]

void t.test('what is not in the internet', (t) => {
  for (const address of inside) t.notOk(isPublicAddress(address), address)
  const outside = [
    '1.1.1.1',
    '8.8.8.8',
    '100.63.255.255',
    '100.128.0.1',
    '172.15.0.1',
    '172.32.0.1',
    '192.169.0.1',
    '223.255.255.255',
    '2606:4700:4700::1111',
    '2a00:1450:4001:80b::200e',
    '::ffff:8.8.8.8',
  ]
  for (const address of outside) t.ok(isPublicAddress(address), address)
  t.end()
})

void t.test('networks that are allowed', (t) => {
  const allowed = networks(['10.1.0.0/16', 'fd00::/8', '127.0.0.1/32'])
  for (const address of ['10.1.2.3', '::ffff:10.1.2.3', 'fd00::1', '127.0.0.1'])
    t.ok(isIn(allowed, address), address)
  for (const address of ['10.2.0.1', 'fc00::1', '127.0.0.2', '::ffff:10.2.0.1', '::1', ''])
    t.notOk(isIn(allowed, address), address)
  for (const bad of ['10.1.0.0', '10.1.0.0/33', 'x/8', '10.1.0.0/16/2', '/8', 'fd00::/129'])
    t.throws(() => networks([bad]), bad)
  t.end()
})
