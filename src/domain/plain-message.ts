/** Sentences of other programs (API server, kubelet, container runtime), made fit to be shown, counted and kept. */

/** Longer sentences of kubelets are lists of causes inside causes; the first ones say what is wrong. */
const longestMessage = 400

/** What may carry a credential: an address with a password, a bearer, a JWT, `key=value` pairs with a telling name. */
const credentials: readonly (readonly [RegExp, string])[] = [
  [/(\/\/)[^\s/@"']+@/g, '$1***@'],
  [/\b(bearer|basic)\s+[\w.~+/=-]{6,}/gi, '$1 ***'],
  [/\beyJ[\w-]{5,}(\.[\w-]+){1,2}/g, '***'],
  [/\b(sk|pk|ghp|gho|glpat|xox[abp]|gr)[-_][\w-]{8,}/g, '***'],
  [
    /\b([\w-]*(?:passw(?:or)?d|secret|token|api[-_]?key|credential|private[-_]?key)[\w-]*["']?\s*[=:]\s*)["']?[^\s"',;&]{4,}/gi,
    '$1***',
  ],
]

/** Without what may be a credential, and bounded. The words around it stay. */
export function withoutSecrets(text: string): string {
  const clean = credentials.reduce((rest, [pattern, instead]) => rest.replace(pattern, instead), text)
  const line = clean.replace(/\s+/g, ' ').trim()
  return line.length <= longestMessage ? line : `${line.slice(0, longestMessage - 1)}…`
}

/** The five letters that the API server adds to a generateName have no vowels and no 0, 1 or 3. */
const generatedEnd = '-[bcdfghjklmnpqrstvwxz2456789]{5}(?![a-z0-9-])'

const changing: readonly (readonly [RegExp, string])[] = [
  [/\b[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\b/g, '*'],
  // What a quota has used, an ephemeral port and a back-off differ from one try to the next.
  [/, used: .*?(?=, limited:)/g, ''],
  [/(\d):\d+->/g, '$1->'],
  [/\bback-off [\dhms.]+ /g, 'back-off '],
]

/**
 * The same sentence for the same cause: without generated pod names, UIDs and numbers that change with each try. Such
 * sentences can be compared, and Kubernetes Events with them are counted.
 */
export function withoutNames(text: string, agentType: string): string {
  const names = new RegExp(`\\b${agentType}${generatedEnd}(_[\\w-]+\\(\\*\\))?`, 'g')
  const stable = changing.reduce((rest, [pattern, instead]) => rest.replace(pattern, instead), text)
  return stable.replace(names, `${agentType}-*`)
}
