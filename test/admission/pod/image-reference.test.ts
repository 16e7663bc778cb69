import t from 'tap'
import { fullReference, hasDigest, imageMatches } from '../../../src/admission/pod/image-reference.ts'

const digest = `sha256:${'0'.repeat(64)}`

void t.test('short names are written in full', async (t) => {
  for (const [short, full] of [
    ['nginx', 'docker.io/library/nginx'],
    ['nginx:1', 'docker.io/library/nginx:1'],
    ['acme/x', 'docker.io/acme/x'],
    ['index.docker.io/acme/x', 'docker.io/acme/x'],
    ['localhost/x', 'localhost/x'],
    ['host:5000/x:1', 'host:5000/x:1'],
    ['ghcr.io/a/b', 'ghcr.io/a/b'],
  ] as const) {
    t.equal(fullReference(short), full)
  }
})

void t.test('a pattern is a repository, a whole reference or a beginning', async (t) => {
  const cases: readonly (readonly [image: string, pattern: string, matches: boolean])[] = [
    ['ghcr.io/acme/x:1', 'ghcr.io/acme/*', true],
    ['ghcr.io/acme-evil/x:1', 'ghcr.io/acme/*', false],
    ['ghcr.io/acme/x:1', 'ghcr.io/acme/x', true],
    [`ghcr.io/acme/x@${digest}`, 'ghcr.io/acme/x', true],
    ['ghcr.io/acme/x', 'ghcr.io/acme/x', true],
    ['ghcr.io/acme/xy', 'ghcr.io/acme/x', false],
    ['ghcr.io/acme/x/y', 'ghcr.io/acme/x', false],
    ['ghcr.io/acme/x:2', 'ghcr.io/acme/x:1', false],
    ['ghcr.io/acme/x:10', 'ghcr.io/acme/x:1', false],
    [`ghcr.io/acme/x:1@${digest}`, 'ghcr.io/acme/x:1', false],
    ['nginx', 'docker.io/library/*', true],
    ['docker.io/library/nginx:1', 'nginx', true],
    ['evil.example/nginx', 'nginx', false],
    ['host:5000/x:1', 'host:5000/x', true],
    ['', 'nginx', false],
  ]
  for (const [image, pattern, matches] of cases) {
    t.equal(imageMatches(image, pattern), matches, `${image} and ${pattern}`)
  }
})

void t.test('a tag is no digest', async (t) => {
  t.ok(hasDigest(`x:1@${digest}`))
  for (const image of ['x', 'x:1', 'x@sha256:00', `x:${'0'.repeat(64)}`]) t.notOk(hasDigest(image), image)
})
