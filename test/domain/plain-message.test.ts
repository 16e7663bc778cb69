import t from 'tap'
import { withoutNames, withoutSecrets } from '../../src/domain/plain-message.ts'

void t.test('what may be a credential is left out, the words around it stay', (t) => {
  const table: readonly (readonly [string, string])[] = [
    ['pull https://user:hunter2@registry.example/x failed', 'pull https://***@registry.example/x failed'],
    ['401 for Bearer abcdef123456', '401 for Bearer ***'],
    ['openai: sk-proj-abcdefghijkl is wrong', 'openai: *** is wrong'],
    ['OPENAI_API_KEY=abcdefgh is wrong', 'OPENAI_API_KEY=*** is wrong'],
    ['{"password": "hunter2hunter2"}', '{"password": ***"}'],
    ['jwt eyJhbGciOi.eyJzdWIiOi.c2ln was refused', 'jwt *** was refused'],
    ['secret "agent-secrets" not found', 'secret "agent-secrets" not found'],
    ["couldn't find key X in Secret ai-agents/s", "couldn't find key X in Secret ai-agents/s"],
    ['two\n  lines', 'two lines'],
  ]
  for (const [text, expected] of table) t.equal(withoutSecrets(text), expected)
  t.equal(withoutSecrets('x'.repeat(5_000)).length, 400)
  t.end()
})

void t.test(
  'generated names and numbers of one try are left out, so that the same cause has the same words',
  (t) => {
    const table: readonly (readonly [string, string])[] = [
      [
        'pods "echo-agent-x7k2p" is forbidden: exceeded quota: q, requested: pods=1, used: pods=3, limited: pods=3',
        'pods "echo-agent-*" is forbidden: exceeded quota: q, requested: pods=1, limited: pods=3',
      ],
      [
        'back-off 2m40s restarting failed container=agent pod=echo-agent-bcdfg_ai-agents(0f8fad5b-d9cb-469f-a165-70867728950e)',
        'back-off restarting failed container=agent pod=echo-agent-*',
      ],
      ['read tcp 10.0.0.1:48212->10.0.0.2:8443: timeout', 'read tcp 10.0.0.1->10.0.0.2:8443: timeout'],
      ['image "echo-agent-stage:1" is a name of people', 'image "echo-agent-stage:1" is a name of people'],
    ]
    for (const [text, expected] of table) t.equal(withoutNames(text, 'echo-agent'), expected)
    t.end()
  },
)
