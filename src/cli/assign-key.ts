import { text } from 'node:stream/consumers'
import { parseArgs } from 'node:util'
import { calculateJwkThumbprint, exportJWK, generateKeyPair } from 'jose'
import { stringify } from 'yaml'
import { parseSigningKeys } from '../delivery/signing-keys.ts'
import { assignAlgorithm } from '../domain/assign-contract.ts'
import type { PrivateAssignJwk } from '../domain/assign-key-set.ts'
import { annotation, configMapKey, configMapName } from '../domain/names.ts'
import { GreenroomError } from '../errors.ts'
import type { CommandProgram } from './command.ts'

const privateKeySecret = 'greenroom-assign-key'

const usage = `usage: assign-key [--namespace NAME] [--rotate [--listed IDS]]
Prints the Secret ${privateKeySecret} and the ConfigMap ${configMapName.assignKeys} for kubectl apply -f -.
--rotate reads the current private set (keys.json of the Secret) from stdin and puts a new key first.
--listed IDS leaves out old keys that no pod lists any more: IDS are the annotations ${annotation.assignKeyIds} of all pods,
separated by spaces or commas. The newest key that there was stays, because pods are being made with it.`

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

export const assignKey: CommandProgram = { usage, run: runAssignKey }

/** The command: prints the manifests on stdout. @throws GreenroomError GRN_INVALID_CONFIG with the usage */
export async function runAssignKey(argv: readonly string[]): Promise<void> {
  const { namespace, rotate, listed } = readArguments(argv)
  const manifests = rotate
    ? await assignKeyManifests({
        namespace,
        previous: await text(process.stdin),
        listed: listed?.split(/[\s,]+/).filter((id) => id !== ''),
      })
    : await assignKeyManifests({ namespace })
  process.stdout.write(manifests)
}

function readArguments(argv: readonly string[]): { namespace: string; rotate: boolean; listed?: string } {
  try {
    const { values } = parseArgs({
      args: [...argv],
      options: {
        namespace: { type: 'string', default: 'ai-agents' },
        rotate: { type: 'boolean', default: false },
        listed: { type: 'string' },
      },
    })
    if (values.listed !== undefined && !values.rotate) throw new Error('--listed needs --rotate')
    return values
  } catch (error) {
    const problem = error instanceof Error ? error.message : String(error)
    throw new GreenroomError('GRN_INVALID_CONFIG', `${problem}\n${usage}`)
  }
}

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
