import { text } from 'node:stream/consumers'
import { calculateJwkThumbprint, exportJWK, generateKeyPair } from 'jose'
import { stringify } from 'yaml'
import { parseSigningKeys } from '../delivery/signing-keys.ts'
import { assignAlgorithm } from '../domain/assign-contract.ts'
import type { PrivateAssignJwk } from '../domain/assign-key-set.ts'
import { annotation, configMapKey, configMapName } from '../domain/names.ts'
import { GreenroomError } from '../errors.ts'
import { action } from './line/command-spec.ts'
import { wrongArguments } from './line/wrong-arguments.ts'

const privateKeySecret = 'greenroom-assign-key'

interface AssignKeyOptions {
  readonly namespace: string
  /** The current private JWK Set, as text. The new key is put first. */
  readonly previous?: string
  /** Ids that pods list; other old keys but the newest go. Without it all stay. */
  readonly listed?: readonly string[] | undefined
}

/**
 * YAML of the Secret with the private keys and of the ConfigMap with the public ones, newest first. Old keys stay,
 * because running pods may know only them.
 *
 * @throws GreenroomError GRN_INVALID_CONFIG if `previous` is not a private JWK Set; never quotes it.
 */
export async function assignKeyManifests({ namespace, previous, listed }: AssignKeyOptions): Promise<string> {
  const old = previous === undefined ? [] : parseSigningKeys(previous)
  const kept = old.filter(({ kid }, index) => index === 0 || !listed || listed.includes(kid))
  const keys = [await newAssignKey(), ...kept]
  const metadata = (name: string): object => ({
    name,
    namespace,
    labels: { 'app.kubernetes.io/part-of': 'greenroom' },
  })
  const manifests = [
    {
      apiVersion: 'v1',
      kind: 'Secret',
      metadata: metadata(privateKeySecret),
      type: 'Opaque',
      stringData: { [configMapKey.assignKeys]: JSON.stringify({ keys }) },
    },
    {
      apiVersion: 'v1',
      kind: 'ConfigMap',
      metadata: metadata(configMapName.assignKeys),
      data: { [configMapKey.assignKeys]: JSON.stringify({ keys: keys.map(publicPart) }) },
    },
  ]
  // Lines are not folded, so that people can compare and copy a key.
  return manifests.map((manifest) => stringify(manifest, { lineWidth: 0 })).join('---\n')
}

export const assignKey = action({
  summary: `Print the Secret ${privateKeySecret} and the ConfigMap ${configMapName.assignKeys} with a new key that signs assignments`,
  about:
    'What it prints is for kubectl apply -f -. The newest key that there was stays, because pods are being made with it.',
  options: {
    namespace: { type: 'string', short: 'n', value: 'NAME', default: 'ai-agents', help: 'where both go' },
    rotate: {
      type: 'boolean',
      help: 'read the current private set (keys.json of the Secret) from stdin and put a new key first',
    },
    listed: {
      type: 'string',
      value: 'IDS',
      help: `leave out old keys that no pod lists any more: IDS are the annotations ${annotation.assignKeyIds} of all pods, separated by spaces or commas`,
    },
  },
  examples: [{ line: 'greenroom assign-key | kubectl apply -f -', does: 'The first key' }],
  async run({ options: { namespace, rotate, listed } }) {
    if (listed !== undefined && rotate !== true) throw wrongArguments('--listed needs --rotate.')
    const manifests =
      rotate === true
        ? await assignKeyManifests({
            namespace,
            previous: await text(process.stdin),
            listed: listed?.split(/[\s,]+/).filter((id) => id !== ''),
          })
        : await assignKeyManifests({ namespace })
    process.stdout.write(manifests)
  },
})

async function newAssignKey(): Promise<PrivateAssignJwk> {
  const { privateKey } = await generateKeyPair(assignAlgorithm, { extractable: true })
  const { x, d } = await exportJWK(privateKey)
  if (!x || !d) throw new GreenroomError('GRN_INTERNAL', 'the generated key has no private part')
  const bare = { kty: 'OKP', crv: 'Ed25519', x } as const
  // RFC 7638: the id is computed from the key, so two keys never share one.
  return { ...bare, kid: await calculateJwkThumbprint(bare), d }
}

function publicPart({ kty, crv, kid, x }: PrivateAssignJwk): object {
  return { kty, crv, kid, x, alg: assignAlgorithm, use: 'sig' }
}
