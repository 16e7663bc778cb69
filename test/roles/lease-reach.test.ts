import t from 'tap'
import { leasesOutOfReach } from '../../src/roles/lease-reach.ts'
import { poolsOf } from '../sessions/open-bed.ts'

void t.test('agents that hold their lease need an address to renew it at', async (t) => {
  const pool = (lease: string) => `{template: {image: a}, min: 0, max: 1, lease: ${lease}}`
  const pools = poolsOf(
    `pools: {a: ${pool('{heldBy: agent}')}, b: ${pool('{heldBy: caller}')}, c: ${pool('{}')}}`,
  )
  t.strictSame(leasesOutOfReach(pools, undefined), ['a'])
  t.strictSame(leasesOutOfReach(pools, 'http://session-management-server:3000'), [])
})
