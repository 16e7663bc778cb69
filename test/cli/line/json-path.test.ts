import t from 'tap'
import { compileJsonPath } from '../../../src/cli/line/json-path.ts'

const document = {
  pools: [
    { agentType: 'a', ready: 0, tags: { 'x/y': 1 }, on: true },
    { agentType: 'b', ready: 12, tags: {} },
  ],
  'with-dash': null,
}

void t.test('what kubectl users write', (t) => {
  for (const [template, expected] of [
    ['{.pools[0].agentType}', 'a'],
    ['.pools[-1].agentType', 'b'],
    ['{$.pools[*].ready}', '0 12'],
    ['{.pools[*]["agentType"]}', 'a b'],
    ["{.pools[0].tags['x/y']}", '1'],
    ['{..agentType}', 'a b'],
    ['{.pools[?(@.ready==0)].agentType}', 'a'],
    ['{.pools[?(@.ready>=10)].agentType}', 'b'],
    ['{.pools[?(@.agentType!="a")].ready}', '12'],
    ['{.pools[?(@.on)].agentType}', 'a'],
    ['{range .pools[*]}{.agentType}{"\\t"}{.ready}{"\\n"}{end}done', 'a\t0\nb\t12\ndone'],
    ['{.pools[1]}', '{"agentType":"b","ready":12,"tags":{}}'],
    ['{.nothing.at.all}{.constructor}{.pools[9]}', ''],
    ['{.with-dash}', 'null'],
    ['plain text', 'plain text'],
  ] as const)
    t.equal(compileJsonPath(template)(document), expected, template)
  t.end()
})

void t.test('what cannot be read is named', (t) => {
  for (const [template, told] of [
    ['{.a', /a brace has no partner/],
    ['{.a!}', /at "!": it is no step/],
    ['{range .a[*]}x', /has no \{end\}/],
    ['{end}', /no range is open/],
    ['{.a[?(b)]}', /no step/],
  ] as const)
    t.throws(() => compileJsonPath(template), { code: 'GRN_WRONG_ARGUMENTS', message: told }, template)
  t.end()
})
