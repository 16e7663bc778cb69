import { readFileSync } from 'node:fs'
import t from 'tap'

/** What is installed is what was looked at, whatever a registry or a mirror answers on the day. */

interface Entry {
  readonly version?: string
  readonly integrity?: string
  readonly resolved?: string
  readonly license?: string
  readonly dev?: boolean
  readonly devOptional?: boolean
  readonly optional?: boolean
  readonly engines?: { readonly node?: string }
}

const text = readFileSync(new URL('../package-lock.json', import.meta.url), 'utf8')
const { packages } = JSON.parse(text) as { packages: Readonly<Record<string, Entry>> }
const entries = Object.entries(packages).filter(([path]) => path !== '')

void t.test('every package has its hash, binaries for other machines too', async (t) => {
  const without = entries.filter(([, { integrity }]) => !integrity?.startsWith('sha512-'))
  t.same(
    without.map(([path]) => path),
    [],
  )
})

void t.test('no package names a host: whoever installs uses a registry of his own', async (t) => {
  t.same(
    entries.filter(([, { resolved }]) => resolved !== undefined).map(([path]) => path),
    [],
  )
})

/** Each lets Greenroom be used and passed on under Apache-2.0 with the notice kept. */
const allowedLicences: ReadonlySet<string> = new Set([
  'MIT',
  'Apache-2.0',
  'BSD-3-Clause',
  'BSD-2-Clause',
  'ISC',
  '0BSD',
  'BlueOak-1.0.0',
  'Unlicense',
  // argparse, a part of js-yaml in the Kubernetes client.
  'PSF-2.0',
])

void t.test('the image holds packages under permissive licences only', async (t) => {
  const shipped = entries.filter(([, { dev, devOptional }]) => !dev && !devOptional)
  const isAllowed = ({ license = 'none' }: Entry): boolean =>
    license
      .replace(/^\((.*)\)$/, '$1')
      .split(' AND ')
      .every((part) => allowedLicences.has(part))
  t.ok(shipped.length > 100)
  t.same(
    shipped.filter(([, entry]) => !isAllowed(entry)).map(([path, { license }]) => `${path}: ${license}`),
    [],
  )
})

void t.test('npm under Node 20, which the README allows, leaves no optional package out', async (t) => {
  // An optional package whose engine does not fit is skipped without a word, and all that need it with it.
  const optional = entries.filter(([, { optional, engines }]) => optional && engines?.node !== undefined)
  const takesNode20 = ({ engines }: Entry): boolean =>
    (engines?.node ?? '*').split('||').some((range) => {
      const [, sign, major] = /^\s*(>=?|\^)?\s*(\d+|\*)/.exec(range) ?? []
      return major === '*' || (sign?.startsWith('>') ? Number(major) <= 20 : Number(major) === 20)
    })
  t.ok(optional.length > 20)
  t.same(
    optional
      .filter(([, entry]) => !takesNode20(entry))
      .map(([path, { engines }]) => `${path}: ${engines?.node}`),
    [],
  )
})
