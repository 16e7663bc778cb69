import fc from 'fast-check'
import t from 'tap'
import {
  imageMatches,
  parseImagePattern,
  parseImageReference,
} from '../../../src/admission/pod/image-reference.ts'

const digest = `sha256:${'0'.repeat(64)}`
const other = `sha256:${'1'.repeat(64)}`

void t.test('a reference has a registry, a repository, a tag and a digest', async (t) => {
  for (const [text, registry, path, tag, foundDigest] of [
    ['nginx', 'docker.io', 'library/nginx', 'latest', undefined],
    ['nginx:1', 'docker.io', 'library/nginx', '1', undefined],
    ['docker.io/nginx:1', 'docker.io', 'library/nginx', '1', undefined],
    ['acme/x', 'docker.io', 'acme/x', 'latest', undefined],
    ['index.docker.io/acme/x', 'docker.io', 'acme/x', 'latest', undefined],
    ['localhost/x', 'localhost', 'x', 'latest', undefined],
    ['host:5000/x:1', 'host:5000', 'x', '1', undefined],
    ['[fd00::1]:5000/x', '[fd00::1]:5000', 'x', 'latest', undefined],
    ['ghcr.io/a/b', 'ghcr.io', 'a/b', 'latest', undefined],
    ['ghcr.io', 'docker.io', 'library/ghcr.io', 'latest', undefined],
    ['ghcr.io/a__b/c-d.e_f', 'ghcr.io', 'a__b/c-d.e_f', 'latest', undefined],
    [`x@${digest}`, 'docker.io', 'library/x', undefined, digest],
    [`x:V_1.2-rc@${digest}`, 'docker.io', 'library/x', 'V_1.2-rc', digest],
    ['greenroom:5000/evil/rootkit:1', 'greenroom:5000', 'evil/rootkit', '1', undefined],
  ] as const) {
    const { tag: foundTag, digest: itsDigest, ...place } = parseImageReference(text) ?? {}
    t.same([place, foundTag, itsDigest], [{ registry, path }, tag, foundDigest], text)
  }
})

const texts = (list: string): string[] => list.split('|')

const noReferences = [
  ...texts('| | nginx|nginx |nginx\n|ng inx|/x|x/|a//b|.|..|ghcr.io/|../x|ghcr.io/../x|ghcr.io/./x|x\u0000'),
  ...texts('a:b:c|x:|x:@|x:-1|x:ü|x:1/|:1|x@|x@sha256:00|http://x|docker://x|user@host/x|x?y|x#y'),
  ...texts('Nginx|ghcr.io/Acme/x|GHCR.io/acme/x|nginх|ｎginx|acme／x|x：1|\u202enginx|x_|_x|a___b|x.-y'),
  ...texts(
    'host:/x|host:0/x|host:65536/x|host:99999999/x|host:5o00/x|host:1:2/x|-a.io/x|a..io/x|x*|*|x:*|x/*',
  ),
  `x:@${digest}`,
  `@${digest}`,
  `x@${digest}@${digest}`,
  `x@md5:${'0'.repeat(32)}`,
  `x@sha256:${'A'.repeat(64)}`,
  `x:${'1'.repeat(129)}`,
  '0'.repeat(64),
  `ghcr.io/${'a'.repeat(250)}`,
]

void t.test('what is no reference matches nothing', async (t) => {
  for (const text of noReferences) {
    t.equal(parseImageReference(text), undefined, JSON.stringify(text))
    for (const pattern of ['nginx:*', 'docker.io/*', 'ghcr.io/*', 'x']) t.notOk(imageMatches(text, pattern))
  }
})

void t.test('a pattern is compared part by part', async (t) => {
  const cases: readonly (readonly [image: string, pattern: string, matches: boolean])[] = [
    // The port of a registry is no tag.
    ['greenroom:5000/evil/rootkit:1', 'greenroom:*', false],
    ['greenroom:5000/greenroom:1', 'greenroom:*', false],
    ['greenroom.evil.example/x', 'greenroom:*', false],
    ['localhost/greenroom:1', 'greenroom:*', false],
    ['evil/greenroom:1', 'greenroom:*', false],
    ['library/greenroom:1', 'greenroom:*', true],
    ['greenroom:1', 'greenroom:*', true],
    ['greenroom', 'greenroom:*', true],
    [`greenroom@${digest}`, 'greenroom:*', true],
    [`docker.io/library/greenroom:1@${digest}`, 'greenroom:*', true],
    ['greenroom:0.1.7', 'greenroom:0.1.*', true],
    ['greenroom:0.10.7', 'greenroom:0.1.*', false],
    [`greenroom:0.1.7@${digest}`, 'greenroom:0.1.*', false],
    ['host:5000/x:1', 'host:5000/x:*', true],
    ['host:5001/x:1', 'host:5000/x:*', false],
    ['host/x:1', 'host:5000/x', false],

    ['ghcr.io/acme/x:1', 'ghcr.io/acme/*', true],
    ['ghcr.io/acme/x/y@' + digest, 'ghcr.io/acme/*', true],
    ['ghcr.io/acme', 'ghcr.io/acme/*', false],
    ['ghcr.io/acme-evil/x:1', 'ghcr.io/acme/*', false],
    ['ghcr.io:443/acme/x:1', 'ghcr.io/acme/*', false],
    ['ghcr.io.evil.example/acme/x', 'ghcr.io/*', false],
    ['ghcr.io/acme/x', 'ghcr.io/*', true],
    ['host:5000/a/b', 'host:5000/*', true],
    ['nginx', 'docker.io/library/*', true],
    ['docker.io/nginx', 'docker.io/library/*', true],
    ['acme/x', 'acme/*', true],

    ['ghcr.io/acme/x:1', 'ghcr.io/acme/x', true],
    [`ghcr.io/acme/x@${digest}`, 'ghcr.io/acme/x', true],
    ['ghcr.io/acme/x', 'ghcr.io/acme/x', true],
    ['ghcr.io/acme/xy', 'ghcr.io/acme/x', false],
    ['ghcr.io/acme/x/y', 'ghcr.io/acme/x', false],
    ['docker.io/library/nginx:1', 'nginx', true],
    ['evil.example/nginx', 'nginx', false],
    ['', 'nginx', false],

    ['ghcr.io/acme/x:1', 'ghcr.io/acme/x:1', true],
    ['ghcr.io/acme/x:2', 'ghcr.io/acme/x:1', false],
    ['ghcr.io/acme/x:10', 'ghcr.io/acme/x:1', false],
    ['ghcr.io/acme/x', 'ghcr.io/acme/x:latest', true],
    // The digest decides what runs, whatever the tag says.
    [`ghcr.io/acme/x:1@${digest}`, 'ghcr.io/acme/x:1', false],

    [`x@${digest}`, `x@${digest}`, true],
    [`x:1@${digest}`, `x@${digest}`, true],
    [`x@${other}`, `x@${digest}`, false],
    [`x:1@${digest}`, `x:1@${digest}`, true],
    [`x:2@${digest}`, `x:1@${digest}`, false],
    [`x@${digest}`, 'x@*', true],
    [`x:1@${digest}`, 'x@*', true],
    ['x:1', 'x@*', false],
    [`y@${digest}`, 'x@*', false],
    [`x:1@${digest}`, 'x:1@*', true],
    [`x:2@${digest}`, 'x:1@*', false],
  ]
  for (const [image, pattern, matches] of cases) {
    t.equal(imageMatches(image, pattern), matches, `${image} and ${pattern}`)
  }
})

void t.test('a * stands for a whole tag, digest or path, or the end of a tag', async (t) => {
  for (const text of texts(
    '*|/*|x*|ghcr.io/acme*|ghcr.io/*/x|x:*1|x:1*2|x:*@*|x@sha256:*|x:1**|x:**|| x|Acme/*|a:b:c|x:|*.io/x|host:*/x|a//*',
  )) {
    t.equal(parseImagePattern(text), undefined, JSON.stringify(text))
    t.notOk(imageMatches('x:1', text))
  }
})

void t.test('what a pattern below a path matches is below that path, whatever is written', async () => {
  const part = fc.stringMatching(/^[a-z0-9._:@/*-]{1,12}$/)
  fc.assert(
    fc.property(part, part, (image, path) => {
      if (!imageMatches(image, `${path}/*`)) return true
      const reference = parseImageReference(image)
      const place = `${reference?.registry}/${reference?.path}`
      return (
        place.startsWith(path.replace('index.docker.io', 'docker.io')) ||
        place.startsWith(`docker.io/${path}/`)
      )
    }),
    { numRuns: 5_000 },
  )
})

void t.test('a tag is no digest', async (t) => {
  t.equal(parseImageReference(`x:1@${digest}`)?.digest, digest)
  for (const image of ['x', 'x:1', 'x@sha256:00', `x:${'0'.repeat(64)}`])
    t.equal(parseImageReference(image)?.digest, undefined, image)
})
