import t from 'tap'
import { checkPolicy } from '../../../src/admission/rules/check-policy.ts'

/** Every way to get `policy.yaml` wrong that we could think of: each is refused with its path and with words that help. */

const row = `
    resources:
      requests: { cpu: 100m, memory: 128Mi }
      limits: { cpu: 1, memory: 1Gi }`
const head = `version: "1"\nagentTypes:\n  echo-agent:${row}`
/** A row with one more key. */
const inRow = (more: string): string => `${head}\n    ${more}`
const inDefaults = (more: string): string => `${head}\ndefaults: { ${more} }`
const onTop = (more: string): string => `${head}\n${more}`
const component = (more: string): string =>
  onTop(`components: [{ serviceAccount: a, images: ["greenroom:*"], ${more} }]`)
const types = (rows: string): string => `version: "1"\nagentTypes: ${rows}`
const resources = (text: string): string =>
  types(
    `{ x: { resources: { requests: { cpu: 100m, memory: 1Gi }, limits: { cpu: 1, memory: 2Gi }, ${text} } } }`,
  )

const wrong: readonly (readonly [name: string, document: string, expected: RegExp])[] = [
  // Not a document at all.
  ['empty', '', /^\/: /],
  ['only a comment', '# nothing', /^\/: /],
  ['null', 'null', /^\/: /],
  ['a list', '- a\n- b', /^\/: /],
  ['a word', 'policy', /^\/: /],
  ['a number', '7', /^\/: /],
  ['not YAML', 'version: [', /not valid YAML/],
  ['a tab', 'version:\n\t- x', /not valid YAML/],
  ['an unclosed quote', 'version: "1', /not valid YAML/],
  [
    'the same key twice',
    'version: "1"\nversion: "2"\nagentTypes: {}',
    /not valid YAML: line \d+: a key comes twice/,
  ],
  ['the same type twice', `${head}\n  echo-agent:${row}`, /not valid YAML: line \d+: a key comes twice/],
  [
    'a bomb of aliases',
    `a: &a [1,1,1,1,1,1,1,1,1,1]\n${'bcdefgh'
      .split('')
      .map((c, i) => `${c}: &${c} [${Array(10).fill(`*${'abcdefg'[i]}`).join(',')}]`)
      .join('\n')}`,
    /not valid YAML: its aliases .* expand to more than 100/,
  ],
  ['an alias of nothing', 'version: *none', /^line \d+: the alias \*none has no anchor before it$/],
  ['nested without end', '['.repeat(200_000), /not valid YAML/],
  ['huge', `version: "1"\n# ${'x'.repeat(300_000)}`, /^\/: has 300\d+ characters; at most 262144 are read/],
  [
    'two documents',
    `${head}\n---\n${head}`,
    /^\/: holds 2 YAML documents, separated by "---"; keep one of them$/,
  ],
  // The top.
  [
    'a standard of tomorrow',
    `${head}\ndefaults: { podSecurity: { version: v1.99 } }`,
    /^\/defaults\/podSecurity\/version: v1.99 is not known; use latest or v1.0 to v1.\d+$/m,
  ],
  [
    'a standard by number',
    `${head}\ndefaults: { podSecurity: { version: "1.36" } }`,
    /^\/defaults\/podSecurity\/version: /m,
  ],
  ['owners without names', `${head}\nnamespaceOwners: { users: [""] }`, /^\/namespaceOwners\/users\/0: /m],
  [
    'everybody as owner of the policy',
    `${head}\npolicyOwners: { groups: [system:authenticated] }`,
    /^\/policyOwners\/groups: system:authenticated is nearly everybody/m,
  ],
  [
    'a ServiceAccount by its short name',
    `${head}\npolicyOwners: { serviceAccounts: ["argocd:x"] }`,
    /^\/policyOwners\/serviceAccounts\/0: /m,
  ],
  ['no version', `agentTypes: {}`, /^\/version: is missing/m],
  ['an empty version', `version: ""\nagentTypes: {}`, /^\/version: /m],
  ['a number as version', `version: 1\nagentTypes: {}`, /^\/version: must be string/m],
  ['a version as long as a novel', `version: "${'1'.repeat(64)}"\nagentTypes: {}`, /^\/version: /m],
  ['no agent types', 'version: "1"', /^\/agentTypes: is missing/m],
  ['agent types as a list', types('[]'), /^\/agentTypes: must be object/m],
  ['an unknown key', onTop('colour: red'), /^\/colour: is not a known key/m],
  ['a key of the prototype', onTop('"__proto__": { x: 1 }'), /^line \d+: "__proto__" is a name that/],
  ['a constructor', onTop('constructor: { prototype: 1 }'), /^\/constructor: is not a known key/m],
  // Names of types.
  ['a type in capitals', types('{ Stella: {} }'), /^\/agentTypes/m],
  ['a type with a slash', types('{ a/b: {} }'), /^\/agentTypes/m],
  ['a type named __proto__', types('{ "__proto__": {} }'), /^line \d+: "__proto__" is a name that/],
  ['a type with a name of 60 letters', types(`{ ${'a'.repeat(60)}: {} }`), /^\/agentTypes/m],
  ['a row that is a word', types('{ x: small }'), /^\/agentTypes\/x: must be object/m],
  ['an unknown key of a row', inRow('colour: red'), /^\/agentTypes\/echo-agent\/colour: is not a known key/m],
  ['__proto__ in a row', inRow('"__proto__": {}'), /^line \d+: "__proto__" is a name that/],
  // Resources.
  [
    'no resources',
    types('{ x: {} }'),
    /^\/agentTypes\/x\/resources: is missing; give it here or in \/defaults/m,
  ],
  [
    'no limits',
    types('{ x: { resources: { requests: { cpu: 1, memory: 1 } } } }'),
    /\/resources\/limits: is missing/,
  ],
  [
    'no memory',
    types('{ x: { resources: { requests: { cpu: 1 }, limits: { cpu: 1 } } } }'),
    /\/requests\/memory: is missing/,
  ],
  [
    'a request over its limit',
    head.replace('100m', '1500m'),
    /\/requests\/cpu: 1500m is more than the limit 1$/m,
  ],
  ['not a quantity', head.replace('128Mi', '128MB'), /\/requests\/memory: 128MB is not a quantity such as/],
  ['zero', head.replace('100m', '0'), /\/requests\/cpu: must be more than 0/],
  ['less than nothing', head.replace('100m', '"-1"'), /\/requests\/cpu: must be more than 0/],
  ['a list as quantity', head.replace('100m', '[1]'), /\/requests\/cpu: /],
  [
    'an unknown resource',
    head.replace('cpu: 100m', 'cpu: 100m, gpu: 1'),
    /\/requests\/gpu: is not a known key/,
  ],
  [
    'a device in another number than its limit',
    onTop('')
      .replace('cpu: 100m', 'cpu: 100m, nvidia.com/gpu: 1')
      .replace('cpu: 1,', 'cpu: 1, nvidia.com/gpu: 2,'),
    /requests\/nvidia.com\/gpu: 1 is not the limit 2; of a device both are the same/,
  ],
  [
    'a device without a limit',
    onTop('').replace('cpu: 100m', 'cpu: 100m, nvidia.com/gpu: 1'),
    /limits\/nvidia.com\/gpu: is missing/,
  ],
  [
    'a request without a limit',
    head.replace('128Mi', '128Mi, ephemeral-storage: 1Gi'),
    /\/limits\/ephemeral-storage: is missing/,
  ],
  [
    'min above the request',
    resources('min: { cpu: 200m }'),
    /\/resources\/min\/cpu: 200m is more than the row's own 100m/,
  ],
  [
    'max below the limit',
    resources('max: { memory: 1Gi }'),
    /\/resources\/max\/memory: 1Gi is less than the row's own limit 2Gi/,
  ],
  [
    'a bound without a limit',
    resources('max: { ephemeral-storage: 1Gi }'),
    /\/limits\/ephemeral-storage: is missing/,
  ],
  ['a bound that is no quantity', resources('min: { cpu: little }'), /\/min\/cpu: little is not a quantity/],
  [
    'a sidecar over its limit',
    inRow('sidecar: { requests: { cpu: 2, memory: 1 }, limits: { cpu: 1, memory: 1 } }'),
    /\/echo-agent\/sidecar\/requests\/cpu: 2 is more/,
  ],
  // Probes.
  [
    'a slow probe',
    inRow('probes: { liveness: { httpGet: { path: /h, port: 1 }, timeoutSeconds: 9, periodSeconds: 5 } }'),
    /probes\/liveness\/timeoutSeconds: 9 is more than periodSeconds \(5\)/,
  ],
  [
    'a probe path',
    inRow('probes: { readiness: { httpGet: { path: h, port: 1 } } }'),
    /probes\/readiness\/httpGet\/path/,
  ],
  [
    'a probe port',
    inRow('probes: { startup: { httpGet: { path: /h, port: 0 } } }'),
    /probes\/startup\/httpGet\/port/,
  ],
  [
    'an exec probe',
    inRow('probes: { liveness: { exec: { command: [sh] } } }'),
    /probes\/liveness\/exec: is not a known key/,
  ],
  [
    'a probe with a host',
    inRow('probes: { liveness: { httpGet: { path: /h, port: 1, host: h } } }'),
    /httpGet\/host: is not a known key/,
  ],
  // Identity and security.
  [
    'root',
    inDefaults('securityContext: { runAsUser: 0 }'),
    /^\/defaults\/securityContext\/runAsUser: must be >= 1/m,
  ],
  [
    'a user by name',
    inRow('securityContext: { runAsUser: node }'),
    /securityContext\/runAsUser: must be integer/,
  ],
  [
    'an id beyond the API',
    inRow('securityContext: { fsGroup: 4294967296 }'),
    /securityContext\/fsGroup: must be <= 2147483647/,
  ],
  [
    'privileged',
    inRow('securityContext: { privileged: true }'),
    /securityContext\/privileged: is not a known key/,
  ],
  [
    'automount as a word',
    inRow('automountServiceAccountToken: "yes"'),
    /automountServiceAccountToken: must be boolean/,
  ],
  [
    "Greenroom's own account",
    `${inRow('serviceAccountName: session-management-sa')}`,
    /serviceAccountName: session-management-sa is Greenroom's own/,
  ],
  ['an account in capitals', inRow('serviceAccountName: Admin'), /serviceAccountName: /],
  ['no user', onTop('greenroomServiceAccounts: [admin]'), /^\/greenroomServiceAccounts\/0/m],
  // Environment and secrets.
  ['an env name with a space', inRow('env: [{ name: "A B", value: x }]'), /env\/0\/name/],
  ['env that is no text', inRow('env: [{ name: A, value: 1 }]'), /env\/0\/value: must be string/],
  [
    'env twice',
    inRow('env: [{ name: A, value: x }, { name: A, value: y }]'),
    /environment variable A is given twice/,
  ],
  [
    'env and secret of one name',
    inRow('env: [{ name: A, value: x }]\n    secrets: [{ env: A, secret: s, key: k }]'),
    /environment variable A is given twice/,
  ],
  [
    "Greenroom's env",
    inRow('env: [{ name: GREENROOM_X, value: x }]'),
    /GREENROOM_X is set by Greenroom itself/,
  ],
  ['a secret by value', inRow('secrets: [{ env: A, value: sk-1 }]'), /secrets\/0\/value: is not a known key/],
  [
    "a session's credential",
    inRow('secrets: [{ env: LIVEKIT_API_SECRET, secret: s, key: k }]'),
    /LIVEKIT_API_SECRET belongs to one session and comes with its assignment/,
  ],
  [
    'a secret for a label, in any image',
    inRow('secrets: [{ env: A, secret: s, key: k }]'),
    /^\/agentTypes\/echo-agent\/images\/allowed: is missing; everybody who may create pods gets s by the label agent-type=echo-agent.* Add images: .*, or secretsFor: pools$/m,
  ],
  [
    'a secret to refer to, in any image',
    inRow('allowedSecrets: [s]'),
    /^\/agentTypes\/echo-agent\/images\/allowed: is missing; .* gets s by the label/m,
  ],
  [
    'a secret of the defaults, images of the row',
    `${inRow('images: { digest: required }')}\ndefaults: { secrets: [{ env: A, secret: s, key: k }], images: { allowed: [x] } }`,
    /^\/agentTypes\/echo-agent\/images\/allowed: is missing/m,
  ],
  [
    'images that only warn beside a secret',
    `${inRow('secrets: [{ env: A, secret: s, key: k }]\n    images: { allowed: [x] }')}\nmodes: { images: warn }`,
    /^\/modes\/images: must be enforce while row echo-agent gives s to everyone/m,
  ],
  [
    "a component's secret as a row's own",
    `${inRow('secretsFor: pools\n    secrets: [{ env: A, secret: server, key: k }]')}\ncomponents: [{ serviceAccount: a, images: [x], env: [{ name: B, secret: server }] }]`,
    /^\/agentTypes\/echo-agent\/secrets\/0\/secret: server is a component's and may be used by no row/m,
  ],
  ['secrets for nobody', inRow('secretsFor: nobody'), /secretsFor: must be one of "everyone", "pools"/],
  [
    'a variable without a source that is optional',
    component('env: [{ name: A, optional: true }]'),
    /^\/components\/0\/env\/0\/optional: needs a value or a secret; a name alone is always optional/m,
  ],
  ['a command of nothing', inRow('commands: [{}]'), /commands\/0: must not have fewer than 1/],
  [
    'a command that the pod completes',
    inRow('commands: [{ command: [node], args: ["$(FILE)"] }]'),
    /commands\/0: \$\(FILE\) may not refer to a variable/,
  ],
  ['no container', inRow('maxContainers: 0'), /maxContainers: must be >= 1/],
  [
    'claims of nothing',
    inRow('ephemeralClaims: { maxSize: 0 }'),
    /ephemeralClaims\/maxSize: must be more than 0/,
  ],
  [
    'the group of root',
    inRow('securityContext: { supplementalGroups: [0] }'),
    /supplementalGroups\/0: must be >= 1/,
  ],
  [
    'a toleration without a key that is allowed',
    inRow('allowedTolerations: [{}]'),
    /allowedTolerations\/0\/key: is missing/,
  ],
  ['every secret', inRow('allowedSecrets: ["*"]'), /allowedSecrets\/0/],
  ['a * in the middle', inRow('allowedSecrets: ["a*b"]'), /allowedSecrets\/0/],
  [
    "a component's secret",
    `${inRow('allowedSecrets: ["greenroom-*"]')}\ncomponents: [{ serviceAccount: a, images: [x], mounts: [{ path: /k, secret: greenroom-assign-key }] }]`,
    /allowedSecrets: greenroom-\* would allow Secret greenroom-assign-key, which is a component's/,
  ],
  // Images, volumes, paths.
  ['no image at all', inRow('images: { allowed: [] }'), /images\/allowed/],
  [
    'a beginning without an end',
    inRow('images: { allowed: ["ghcr.io/acme*"] }'),
    /images\/allowed: "ghcr\.io\/acme\*" is no image; write name, name:tag, name:\*/,
  ],
  ['any image', inRow('images: { allowed: ["*"] }'), /images\/allowed: "\*" is no image/],
  ...['a:b:c', 'Acme/x', ' x:1', 'x:', 'x@sha256:00', 'x:1*2', 'host:99999/x', 'nginх'].map(
    (image) =>
      [
        `no reference: ${image}`,
        inRow(`images: { allowed: ["${image}"] }`),
        /^\/agentTypes\/.*images\/allowed: .* is no image/m,
      ] as const,
  ),
  [
    'a claim template that has no name',
    inRow('resourceClaimTemplates: ["gpu*"]'),
    /resourceClaimTemplates\/0: /,
  ],
  [
    'a digest rule that does not exist',
    inRow('images: { digest: always }'),
    /images\/digest: must be one of "required", "allowed"/,
  ],
  ['the node as a volume', inRow('volumeKinds: [hostPath]'), /volumeKinds\/0: must be one of "configMap", /],
  [
    'writable paths without emptyDir',
    inRow('volumeKinds: [secret]'),
    /volumeKinds: must hold emptyDir, for writablePaths/,
  ],
  [
    'tokens without projected',
    inRow('volumeKinds: [emptyDir]\n    automountServiceAccountToken: true'),
    /volumeKinds: must hold projected, for automount/,
  ],
  ['a relative path', inRow('writablePaths: [{ path: tmp, sizeLimit: 1Mi }]'), /writablePaths\/0\/path/],
  [
    'a path that climbs',
    inRow('writablePaths: [{ path: /a/../etc, sizeLimit: 1Mi }]'),
    /writablePaths\/0\/path/,
  ],
  ['the root', inRow('writablePaths: [{ path: /, sizeLimit: 1Mi }]'), /writablePaths\/0\/path/],
  [
    'a path without a size',
    inRow('writablePaths: [{ path: /tmp }]'),
    /writablePaths\/0\/sizeLimit: is missing/,
  ],
  [
    'two paths of one volume',
    inRow('writablePaths: [{ path: /a-b, sizeLimit: 1Mi }, { path: /a/b, sizeLimit: 1Mi }]'),
    /writablePaths: two paths would have the volume greenroom-a-b/,
  ],
  [
    'a path larger than memory',
    inRow('writablePaths: [{ path: /tmp, sizeLimit: 2Gi, medium: Memory }]'),
    /writablePaths: 2Gi at \/tmp is more than resources\/limits\/memory \(1Gi\) allows/,
  ],
  [
    'emptyDir of no size',
    inDefaults('emptyDirSizeLimit: 0'),
    /^\/defaults\/emptyDirSizeLimit: must be more than 0/m,
  ],
  // Scheduling.
  [
    'an operator that does not exist',
    inRow('nodeAffinity: [{ key: a, operator: Is, values: [b] }]'),
    /nodeAffinity\/0\/operator: must be one of "In"/,
  ],
  [
    'In without values',
    inRow('nodeAffinity: [{ key: a, operator: In }]'),
    /nodeAffinity\/0\/values: is missing; operator In needs at least one/,
  ],
  [
    'Exists with values',
    inRow('nodeAffinity: [{ key: a, operator: Exists, values: [b] }]'),
    /nodeAffinity\/0\/values: must be absent with operator Exists/,
  ],
  [
    'Gt of a word',
    inRow('nodeAffinity: [{ key: a, operator: Gt, values: [b] }]'),
    /nodeAffinity\/0\/values: must be one whole number/,
  ],
  [
    'a key that is no label',
    inRow('nodeAffinity: [{ key: "a b", operator: Exists }]'),
    /nodeAffinity\/0\/key/,
  ],
  ['a toleration without a key', inRow('tolerations: [{ value: a }]'), /tolerations\/0\/key: is missing/],
  [
    'a toleration of everything with a value',
    inRow('tolerations: [{ operator: Exists, value: a }]'),
    /tolerations\/0\/value: must be absent/,
  ],
  [
    'seconds without NoExecute',
    inRow('tolerations: [{ key: a, value: b, tolerationSeconds: 5 }]'),
    /tolerations\/0\/tolerationSeconds: needs effect NoExecute/,
  ],
  [
    'a spread twice',
    inRow('topologySpreadConstraints: [{ topologyKey: a }, { topologyKey: a }]'),
    /topologySpreadConstraints: a ScheduleAnyway is listed twice/,
  ],
  [
    'a skew of nothing',
    inRow('topologySpreadConstraints: [{ topologyKey: a, maxSkew: 0 }]'),
    /maxSkew: must be >= 1/,
  ],
  ['a grace period of a year', inRow('gracePeriodSeconds: 31536000'), /gracePeriodSeconds: must be <= 86400/],
  ['a label that is none', inRow('appLabel: "a b"'), /appLabel: /],
  // Components, modes, roll-out.
  [
    'a component without an image',
    onTop('components: [{ serviceAccount: a, images: [] }]'),
    /^\/components\/0\/images/m,
  ],
  [
    'a component of any image',
    onTop('components: [{ serviceAccount: a, images: ["*"] }]'),
    /^\/components\/0\/images: "\*" is no image/m,
  ],
  [
    'a component of every image of a registry',
    onTop('components: [{ serviceAccount: a, images: ["ghcr.io/*"] }]'),
    /^\/components\/0\/images: ghcr\.io\/\* would let every image of a registry act as Greenroom/m,
  ],
  [
    'a component whose image begins like Greenroom',
    onTop('components: [{ serviceAccount: a, images: ["greenroom*"] }]'),
    /^\/components\/0\/images: "greenroom\*" is no image/m,
  ],
  [
    'a component without a tag, which meant latest once',
    onTop('components: [{ serviceAccount: a, images: [greenroom] }]'),
    /^\/components\/0\/images: greenroom names no tag; write greenroom:\* for any tag or digest, or greenroom:latest/m,
  ],
  [
    'an account twice',
    onTop('components: [{ serviceAccount: a, images: [x] }, { serviceAccount: a, images: [y] }]'),
    /^\/components: ServiceAccount a is listed twice/m,
  ],
  [
    'a name twice',
    onTop('components: [{ name: b, serviceAccount: a, images: [x] }, { serviceAccount: b, images: [y] }]'),
    /^\/components: two have the name b/m,
  ],
  [
    'an account that is no value of a label',
    onTop(`components: [{ serviceAccount: ${'a'.repeat(64)}, images: [x] }]`),
    /^\/components\/0\/name: is missing; ServiceAccount a+ cannot be the value of a label/m,
  ],
  ['a name that is no value of a label', component('name: "a b"'), /^\/components\/0\/name: /m],
  [
    'a key without a Secret',
    component('env: [{ name: A, key: k }]'),
    /^\/components\/0\/env\/0\/key: needs a secret/m,
  ],
  ['debugPools as a flag', onTop('debugPools: true'), /^\/debugPools: must be one of "refuse", "allow"/m],
  ['args that are no lists', component('args: [api]'), /^\/components\/0\/args\/0: must be array/m],
  [
    'env of a component twice',
    component('env: [A, { name: A }]'),
    /^\/components\/0\/env: A is listed twice/m,
  ],
  [
    'env by value and by secret',
    component('env: [{ name: A, value: x, secret: s }]'),
    /^\/components\/0\/env\/0: may have a value or a secret, not both/m,
  ],
  [
    'a mount of nothing',
    component('mounts: [{ path: /a }]'),
    /^\/components\/0\/mounts\/0: must name one of secret, configMap, emptyDir, claim/m,
  ],
  [
    'the mode of a rule that is always enforced',
    onTop('modes: { privileged: warn }'),
    /^\/modes\/privileged: is not a rule whose mode may be set; these are allowed-tolerations, allowed-volumes, .*, every other is always enforced/m,
  ],
  ['the mode of __proto__', onTop('modes: { "__proto__": warn }'), /^line \d+: "__proto__" is a name that/],
  [
    'a mode that does not exist',
    onTop('modes: { probes: off }'),
    /^\/modes\/probes: must be one of "enforce", "warn", "audit"/m,
  ],
  ['a roll-out of every namespace', onTop('rollout: { audit: ["*"] }'), /^\/rollout\/audit\/0/m],
  [
    'a roll-out that enforces',
    onTop('rollout: { enforce: [a] }'),
    /^\/rollout\/enforce: is not a known key/m,
  ],
]

for (const [name, document, expected] of wrong) {
  void t.test(name, async (t) => {
    const checked = checkPolicy(document)
    t.notOk(checked.ok, 'is refused')
    const problems = checked.ok ? '' : checked.problems.join('\n')
    t.match(problems, expected)
    t.notMatch(problems, /sk-1/, 'no value of a secret is repeated')
  })
}

void t.test('what the wrong ones are made from is right', async (t) => {
  for (const document of [
    head,
    inRow('gracePeriodSeconds: 5'),
    component('args: [[api]]'),
    resources('max: { cpu: 2 }'),
  ]) {
    const checked = checkPolicy(document)
    t.same(checked.ok ? [] : checked.problems, [])
  }
  t.ok(wrong.length >= 60)
})
