import t from 'tap'
import { readYaml, readYamlDocuments } from '../../src/domain/read-yaml.ts'
import { processorMs } from '../support/processor-time.ts'

/** Words that only the author of the library would use. */
const libraryWords =
  /parseAllDocuments|Excessive|resource exhaustion|Map keys|implicit|Unresolved|plain value|YAMLParse/i

const bomb = [
  'a: &a [x, x]',
  ...Array.from(
    { length: 12 },
    (_, i) => `k${i}: &k${i} [*${i ? `k${i - 1}` : 'a'}, *${i ? `k${i - 1}` : 'a'}]`,
  ),
].join('\n')

const refused: Readonly<Record<string, readonly [string, RegExp]>> = {
  'two documents': ['a: 1\n---\nb: 2', /^\/: holds 2 YAML documents, separated by "---"; keep one of them$/],
  'a merge key': [
    'a: &x {b: 1}\nc:\n  <<: *x',
    /^line 3: the merge key "<<" is not read; write its keys out/,
  ],
  'a merge key in quotes': ['c: {"<<": 1}', /^line 1: the merge key/],
  nothing: ['', /^\/: is empty/],
  'comments only': ['# a\n# b\n', /^\/: is empty; there is nothing in it but comments/],
  'a separator only': ['---\n', /^\/: is empty/],
  'a tab': ['a:\n\tb: 1', /^not valid YAML: line 2: a tab is used for indentation; use spaces$/],
  'a key twice': ['a: 1\nb: 2\na: 3', /^not valid YAML: line 3: a key comes twice in the same map/],
  'a prototype': ['b: 1\n__proto__: {}', /^line 2: "__proto__" is a name that/],
  'a bomb of aliases': [bomb, /aliases .* expand to more than 100 copies/],
  'an alias of nothing': ['a: *x', /^line 1: the alias \*x has no anchor before it$/],
  'an alias of itself': ['a: &a\n  b: *a', /^line 2: the alias \*a stands inside what it repeats$/],
  'a long integer': ['a: 1\nid: 1546130668394913822', /^line 2: this is a number that .*; put it in quotes$/],
  'a long integer as a key': ['1546130668394913822: x', /^line 1: this is a number/],
  'a long hexadecimal one': ['a: 0x20000000000001', /^line 1: this is a number/],
  infinity: ['a: 1e400', /^line 1: this is a number/],
  'infinity by name': ['a: .inf', /^line 1: this is a number/],
  'a tag': ['a: !!js/function x', /^not valid YAML: line 1: a tag \(!…\) is not known; leave it out$/],
  'an old version': ['%YAML 1.1\n---\na: yes', /^the directive %YAML asks for an old version; leave it out$/],
  'a list as a key': ['? [a]\n: b', /^line 1: a key is a list or a map; use text$/],
  'an open bracket': ['a: [1,', /^not valid YAML: line 1: .*closing bracket is missing$/],
  'a special character': [
    'a: @b',
    /^not valid YAML: line 1: a value begins with a special character; quote it$/,
  ],
  'no end of nesting': ['[ '.repeat(20_000), /nested too deeply/],
}

for (const [name, [text, sentence]] of Object.entries(refused)) {
  void t.test(`${name}: our sentence, with the right reason`, async (t) => {
    const reading = readYaml(text)
    t.notOk(reading.ok)
    const problem = reading.ok ? '' : reading.problem
    t.match(problem, sentence)
    t.notMatch(problem, libraryWords)
  })
}

void t.test('what is meant is read', async (t) => {
  for (const [text, value] of [
    ['\ufeffa: 1', { a: 1 }],
    ['a: &x {b: 1}\nc: *x', { a: { b: 1 }, c: { b: 1 } }],
    ['a: 1\n---\n# nothing more\n', { a: 1 }],
    ['{"a": [1, 2,],}', { a: [1, 2] }],
    [
      'a: 0.1\nb: 0x1f\nc: 1e3\nd: "1546130668394913822"',
      { a: 0.1, b: 31, c: 1000, d: '1546130668394913822' },
    ],
    ['constructor: x\nc: yes', { constructor: 'x', c: 'yes' }],
  ] as const)
    t.same(readYaml(text), { ok: true, value }, text)
  t.same(readYamlDocuments('a: 1\n---\n---\nb: 2\n'), { ok: true, values: [{ a: 1 }, { b: 2 }] })
})

void t.test('many aliases of small things are read in time', async (t) => {
  const text = `a: &a x\nb:\n${'  - *a\n'.repeat(20_000)}`
  // 0.3 s here; a look through the document for each alias took half a minute.
  t.ok(processorMs(() => readYaml(text)) < 5_000)
})
