import { randomUUID } from 'node:crypto'
import t from 'tap'
import { agentIdentity } from '../../src/domain/names.ts'
import {
  identityProblem,
  participantProblem,
  randomParticipantIdentity,
} from '../../src/domain/participant-identity.ts'

void t.test("an agent's identity is refused, however it is written", async (t) => {
  for (const identity of [
    agentIdentity(randomUUID(), 1),
    'agent-',
    'Agent-x',
    'AGENT-x',
    ' agent-x',
    'agent -x',
    'agent\u200b-x',
    '\u2060agent-x',
    'a\u00adgent-x',
    'agent\u2010x',
    'agent\u2013x',
    'agent\u2212x',
    'agent_x',
    'ａｇｅｎｔ-x',
    'аgent-x',
    'agеnt-x',
    'àgent-x',
    '𝐚𝐠𝐞𝐧𝐭-x',
  ])
    t.match(
      identityProblem(identity),
      /^begins like "agent-", which is kept for agents/,
      JSON.stringify(identity),
    )
})

void t.test('the form of random identities is refused, and nothing but that form', async (t) => {
  const made = randomParticipantIdentity(randomUUID())
  for (const identity of [made, made.toUpperCase(), ` ${made}`])
    t.match(identityProblem(identity), /has the form that Greenroom gives/)
  t.equal(identityProblem('participant-7'), undefined)
})

void t.test('what cannot be seen is refused', async (t) => {
  for (const identity of [' ', '\u200b', '\u3000\u00ad'])
    t.equal(identityProblem(identity), 'is empty to the eye')
  for (const identity of ['ann\n', '\0', 'a\u0007b'])
    t.equal(identityProblem(identity), 'contains a control character')
})

void t.test('people keep their names', async (t) => {
  for (const identity of [
    'ann',
    'Zoë',
    'agent',
    'agents-of-change',
    'user-agent-7',
    'Иван',
    '李雷',
    'a b',
    'x'.repeat(200),
  ])
    t.equal(identityProblem(identity), undefined, identity)
})

void t.test('identities and names are as long as LiveKit takes them, in bytes', async (t) => {
  const wide = '😀'.repeat(64)
  t.equal(participantProblem({ identity: wide, name: wide }), undefined, '256 bytes')
  t.match(
    participantProblem({ identity: `${wide}a` }),
    /^identity: has 257 bytes in UTF-8, and LiveKit takes 256$/,
  )
  t.match(participantProblem({ identity: 'ann', name: 'é'.repeat(129) }), /^name: has 258 bytes/)
  t.match(participantProblem({ identity: 'agent-1', name: `${wide}a` }), /^identity: begins like/)
})
