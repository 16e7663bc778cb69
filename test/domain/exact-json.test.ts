import fc from 'fast-check'
import t from 'tap'
import { isExactNumber, readExactJson } from '../../src/domain/exact-json.ts'

void t.test('a number that would come back as another one is refused with its path', async (t) => {
  const refused = {
    '{"id": 1546130668394913822}': '/id',
    '{"a": {"b": [1, 2, 9007199254740993]}}': '/a/b/2',
    '{"a": 1e400}': '/a',
    '{"a": -1e400}': '/a',
    '{"a": 1e-400}': '/a',
    '{"a": 4.9e-324}': '/a',
    '{"a": 0.12345678901234567890}': '/a',
    '{"a/b~c": 3.14159265358979323846}': '/a~1b~0c',
    '9007199254740993': '/',
  }
  for (const [text, path] of Object.entries(refused)) {
    const problem = `${path}: is a number that 64-bit floating point cannot hold without changing it; send it as a string`
    t.same(readExactJson(text), { ok: false, kind: 'content', problem }, text)
  }
})

void t.test('a number that comes back is read, however it is written', async (t) => {
  for (const text of [
    '9007199254740991',
    '9007199254740992',
    '-9007199254740992',
    '123456789012345680000',
    '0.1',
    '0.30000000000000004',
    '1.0',
    '1e2',
    '1E+2',
    '100e-2',
    '1e21',
    '5e-324',
    '1.7976931348623157e308',
    '-0',
    '0e999',
  ])
    t.same(readExactJson(text), { ok: true, value: JSON.parse(text) }, text)
})

void t.test(
  'a name that comes twice is refused, spelled alike or not; the same name elsewhere is not',
  async (t) => {
    for (const text of ['{"a":1,"a":1}', '{"a":1,"\\u0061":2}', '{"x":[{"a":1,"b":{"a":1},"a":2}]}'])
      t.match(
        readExactJson(text),
        { ok: false, kind: 'content', problem: /a: comes twice in the same object/ },
        text,
      )
    for (const text of ['{"a":{"a":1},"b":{"a":"\\"a\\":1,"}}', '[{"a":1},{"a":2}]', '{"a":"x","A":"a"}'])
      t.same(readExactJson(text), { ok: true, value: JSON.parse(text) }, text)
  },
)

void t.test('names that trap JavaScript programs are refused for what they are', async (t) => {
  for (const [text, path] of [
    ['{"metadata":{"__proto__":{}}}', '/metadata/__proto__'],
    ['{"\\u005f_proto__":1}', '/__proto__'],
    ['{"constructor":{"prototype":1}}', '/constructor/prototype'],
  ] as const)
    t.match(readExactJson(text), { ok: false, problem: `${path}: is a name that programs in JavaScript` })
  t.ok(readExactJson('{"constructor":"x","prototype":1,"toString":2}').ok)
})

void t.test('what is no JSON: where, and what it may be, without a word of the text', async (t) => {
  for (const [text, problem] of [
    ['{"password": "hunter2",\n "a": [1,]}', ' at line 2, column 10: no comma may stand before ]'],
    ['{"a":1 , }', ' at line 1, column 9: no comma may stand before }'],
    ["{'a':1}", ' at line 1, column 2: comments, single quotes and names without quotes are not JSON'],
    [
      '{"a": 1 // x\n}',
      ' at line 1, column 9: comments, single quotes and names without quotes are not JSON',
    ],
    ['{"a": "\n"}', ' at line 1, column 7: a text has no closing quote, or a line break in it'],
    ['{"a": [1', ': a comma, a colon or a closing bracket is missing'],
    [' ', ': it is empty'],
  ] as const)
    t.same(readExactJson(text), { ok: false, kind: 'syntax', problem: `not valid JSON${problem}` })
  for (const text of [
    '',
    ' \n',
    '{"a":1,}',
    "{'a':1}",
    '{a:1}',
    '// x\n{}',
    '{"a":',
    '\x1f\x8b\x08',
    'NaN',
  ]) {
    const reading = readExactJson(text)
    t.match(reading, { ok: false, kind: 'syntax', problem: /^not valid JSON/ }, text)
    t.notMatch(JSON.stringify(reading), /hunter2/)
  }
  t.same(readExactJson('\ufeff{"a":1}'), { ok: true, value: { a: 1 } }, 'a byte order mark')
  t.same(readExactJson(`${'['.repeat(100_000)}${']'.repeat(100_000)}`).ok, true, 'any depth')
})

void t.test('property: whatever JSON.stringify writes is read as JSON.parse reads it', async () => {
  fc.assert(
    fc.property(fc.json({ stringUnit: 'binary' }), (text) => {
      const reading = readExactJson(text)
      if (!reading.ok) return /__proto__|prototype/.test(text)
      return JSON.stringify(reading.value) === JSON.stringify(JSON.parse(text))
    }),
  )
})

void t.test(
  'property: a double is exact as JavaScript writes it, and a long integer when it is written alike again',
  async () => {
    fc.assert(
      fc.property(fc.double({ noNaN: true, noDefaultInfinity: true }), (x) => isExactNumber(String(x))),
    )
    // Below 1e21 JavaScript writes integers without an exponent.
    const beyond = fc.bigInt({ min: 2n ** 53n, max: 2n ** 69n })
    fc.assert(fc.property(beyond, (x) => isExactNumber(String(x)) === (String(Number(x)) === String(x))))
  },
)
