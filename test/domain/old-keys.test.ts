import fc from 'fast-check'
import t from 'tap'
import { createUnneededSpells, type KeyLook, unneededKeys } from '../../src/domain/old-keys.ts'

const ids = ['k0', 'k1', 'k2', 'k3', 'k4']
const keySets = fc.subarray(ids, { minLength: 0 })
const looks: fc.Arbitrary<KeyLook> = fc.record({
  keyIds: keySets,
  podKeyIds: fc.array(fc.subarray([...ids, 'gone']), { maxLength: 6 }),
  signerKeyIds: fc.array(fc.subarray(ids), { maxLength: 3 }),
})

/** What a process signs with for a pod: the newest of its keys that the pod lists. */
const signsWith = (signer: readonly string[], pod: readonly string[]) => signer.find((id) => pod.includes(id))

void t.test('what goes and what stays', (t) => {
  const rolled = { keyIds: ['new', 'old'], podKeyIds: [['new', 'old']], signerKeyIds: [['new', 'old']] }
  t.same(unneededKeys(rolled), ['old'], 'every new pod lists both, and needs one')
  t.same(
    unneededKeys({ ...rolled, podKeyIds: [['new', 'old'], ['old']] }),
    [],
    'a pod lists the old one alone',
  )
  t.same(
    unneededKeys({ ...rolled, signerKeyIds: [['new', 'old'], ['old']] }),
    [],
    'one server only has the old one',
  )
  t.same(unneededKeys({ ...rolled, signerKeyIds: [] }), [], 'silence is no proof')
  t.same(unneededKeys({ ...rolled, podKeyIds: [] }), ['old'])
  t.same(unneededKeys({ ...rolled, keyIds: ['new'] }), [])
  t.same(unneededKeys({ ...rolled, keyIds: [] }), [])
  t.end()
})

void t.test(
  'the newest stays, a pod that lists a key and not the newest keeps it, all others go',
  async () => {
    fc.assert(
      fc.property(looks, (look) => {
        const going = unneededKeys(look)
        const [newest] = look.keyIds
        if (newest !== undefined && going.includes(newest)) return false
        for (const pod of look.podKeyIds)
          if (newest === undefined || !pod.includes(newest))
            if (pod.some((id) => going.includes(id))) return false
        return going.every((id) => look.keyIds.includes(id))
      }),
    )
  },
)

void t.test('every process can sign for every pod that is made after a removal', async () => {
  fc.assert(
    fc.property(looks, (look) => {
      const going = unneededKeys(look)
      const left = look.keyIds.filter((id) => !going.includes(id))
      return look.signerKeyIds.every(
        (signer) => signsWith(signer, look.keyIds) === undefined || signsWith(signer, left) !== undefined,
      )
    }),
  )
})

void t.test('a key goes after it was unneeded at every look for the whole time', (t) => {
  const rolled = { keyIds: ['new', 'old'], podKeyIds: [['new', 'old']], signerKeyIds: [['new']] }
  const needed = { ...rolled, podKeyIds: [['old']] }
  const spells = createUnneededSpells(1_000)
  t.same(spells.due(rolled, 0), [])
  t.same(spells.due(rolled, 999), [])
  t.same(spells.due(rolled, 1_000), ['old'])
  t.same(spells.due(needed, 1_100), [], 'a pod of a replica that had not seen the new set')
  t.same(spells.due(rolled, 1_200), [])
  t.same(spells.due(rolled, 2_199), [])
  spells.forget()
  t.same(spells.due(rolled, 2_300), [], 'a look that failed tells nothing')
  t.same(spells.due(rolled, 3_300), ['old'])
  const again = { ...rolled, keyIds: ['newer', 'old'], podKeyIds: [['newer']], signerKeyIds: [['newer']] }
  t.same(spells.due(again, 3_400), [], 'another newest key begins anew')
  t.end()
})
