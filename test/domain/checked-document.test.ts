import fc from 'fast-check'
import t from 'tap'
import { Type } from 'typebox'
import { Compile } from 'typebox/compile'
import { checkValue, checkYaml } from '../../src/domain/checked-document.ts'

const schema = Compile(
  Type.Object(
    {
      size: Type.Integer({ minimum: 0 }),
      mode: Type.Union([Type.Literal('a'), Type.Literal('b')], { default: 'a' }),
    },
    { additionalProperties: false },
  ),
)

void t.test('a document in order, with its defaults', async (t) => {
  t.strictSame(checkYaml('size: 3', schema), { ok: true, value: { size: 3, mode: 'a' } })
  t.strictSame(checkValue({ size: 3, mode: 'b' }, schema), { ok: true, value: { size: 3, mode: 'b' } })
})

void t.test('problems name path and rule', async (t) => {
  t.strictSame(checkYaml('{size: -1, mode: c, more: 1}', schema), {
    ok: false,
    problems: [
      '/more: is not a known key; known: size, mode',
      '/size: must be >= 0',
      '/mode: must be one of "a", "b"',
    ],
  })
})

void t.test('an unknown key comes with the known ones of its place', async (t) => {
  const nested = Compile(
    Type.Object({
      rows: Type.Record(
        Type.String({ pattern: '^[a-z/]+$' }),
        Type.Object({ a: Type.Array(Type.Object({ b: Type.String() }, { additionalProperties: false })) }),
      ),
    }),
  )
  t.strictSame(checkYaml('rows: { "x/y": { a: [{ b: x, c: 1 }] } }', nested), {
    ok: false,
    problems: ['/rows/x~1y/a/0/c: is not a known key; known: b'],
  })
})

void t.test('a text without end is refused before it is parsed', async (t) => {
  const checked = checkYaml(`size: 1 #${'x'.repeat(256 * 1024)}`, schema)
  t.match(checked, { ok: false, problems: [/^\/: has 262153 characters; at most 262144 are read$/] })
})

void t.test('relations are asked only about a document of the right shape', async (t) => {
  const relations = (value: { size: number }) => (value.size > 5 ? ['/size: too large for us'] : [])
  t.strictSame(checkYaml('size: 9', schema, { relations }), {
    ok: false,
    problems: ['/size: too large for us'],
  })
  t.strictSame(checkYaml('size: 4', schema, { relations }), { ok: true, value: { size: 4, mode: 'a' } })
  const never = () => {
    throw new Error('asked about a document of the wrong shape')
  }
  t.equal(checkYaml('size: x', schema, { relations: never }).ok, false)
})

void t.test('YAML that says a thing twice, expands without end or is none', async (t) => {
  const bomb = [
    'a: &a [x, x]',
    ...Array.from(
      { length: 12 },
      (_, i) => `k${i}: &k${i} [*${i ? `k${i - 1}` : 'a'}, *${i ? `k${i - 1}` : 'a'}]`,
    ),
  ]
  for (const text of ['size: 1\nsize: 2', 'size: [', bomb.join('\n'), '\t- x: :']) {
    const checked = checkYaml(text, schema)
    t.equal(checked.ok, false)
    if (!checked.ok) t.match(checked.problems[0], /^not valid YAML: [^\n]+$/)
  }
})

void t.test('property: no text makes it throw, and a refusal always says why', async () => {
  fc.assert(
    fc.property(
      fc.oneof(fc.string(), fc.json(), fc.constantFrom('null', '---', '&a *a', '!!js x')),
      (text) => {
        const checked = checkYaml(text, schema)
        return checked.ok || checked.problems.length > 0
      },
    ),
  )
})
