/** Options that mean the same in every command that has them. */

/** Of commands that ask the session server. */
export const serverOptions = {
  server: {
    type: 'string',
    value: 'URL',
    help: 'the session API (default: GREENROOM_API_URL, else a pod of it that the kubeconfig leads to)',
  },
  key: { type: 'string', value: 'KEY', help: 'an API key (default: GREENROOM_API_KEY)' },
  context: {
    type: 'string',
    value: 'NAME',
    help: 'the context of the kubeconfig, instead of its current one',
  },
  kubeconfig: {
    type: 'string',
    value: 'FILE',
    help: 'the kubeconfig (default: KUBECONFIG, else ~/.kube/config)',
  },
  namespace: {
    type: 'string',
    short: 'n',
    value: 'NAME',
    help: 'where Greenroom runs (default: GREENROOM_NAMESPACE, else ai-agents)',
  },
} as const

export interface ServerValues {
  readonly server?: string | undefined
  readonly key?: string | undefined
  readonly context?: string | undefined
  readonly kubeconfig?: string | undefined
  readonly namespace?: string | undefined
}

/** Of commands that show something. */
export const formOptions = {
  output: {
    type: 'string',
    short: 'o',
    value: 'FORM',
    help: 'table, wide, json, yaml, name or jsonpath=TEMPLATE (default: table)',
  },
  json: { type: 'boolean', help: 'as -o json' },
} as const

export interface FormValues {
  readonly output?: string | undefined
  readonly json?: boolean | undefined
}

/** Of commands whose answer changes. */
export const watchOptions = {
  watch: { type: 'boolean', short: 'w', help: 'print what changes, until Ctrl-C' },
} as const
