import t from 'tap'
import { apiKeyText, newKeyId, newSecret, readApiKey } from '../../src/identity/api-key-text.ts'

void t.test('a new key reads back', async (t) => {
  const texts = Array.from({ length: 1_000 }, () => {
    const parts = { id: newKeyId(), secret: newSecret() }
    t.same(readApiKey(apiKeyText(parts)), parts)
    return parts.secret
  })
  t.equal(new Set(texts).size, texts.length)
})

void t.test('a text of another form is no key', async (t) => {
  const good = apiKeyText({ id: newKeyId(), secret: newSecret() })
  for (const text of [
    '',
    'gr_',
    good.slice(1),
    `${good}0`,
    good.slice(0, -1),
    good.toUpperCase(),
    ` ${good}`,
    `${good}\n`,
  ])
    t.equal(readApiKey(text), undefined, JSON.stringify(text))
  t.equal(readApiKey(`gr_${'ä'.repeat(12)}_${newSecret()}`), undefined)
  t.equal(readApiKey(`gr_${newKeyId()}_${'-'.repeat(43)}`), undefined)
})
