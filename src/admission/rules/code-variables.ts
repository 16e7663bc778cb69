import type { EnvVar } from '../pod/pod.ts'
import { sameValue } from '../pod/same-value.ts'
import type { EffectiveRow } from '../policy/effective-row.ts'
import { fitsPattern } from '../policy/name-pattern.ts'

/**
 * By these the loader, a shell or a runtime takes code or a program from where the author says, or prints what it was given.
 * Names, or beginnings that end in `*`. The list cannot be complete.
 */
const codeVariables: readonly string[] = [
  // The loader and the C library.
  'LD_* GCONV_PATH LOCPATH NLSPATH OPENSSL_*',
  // Programs that are found by a name, and files that programs read at their start.
  'PATH HOME XDG_* EDITOR VISUAL PAGER PHPRC PHP_INI_SCAN_DIR',
  'GIT_ASKPASS GIT_CONFIG* GIT_EDITOR GIT_EXEC_PATH GIT_EXTERNAL_DIFF GIT_PAGER',
  'GIT_PROXY_COMMAND GIT_SSH* GIT_TRACE*',
  // A shell runs what PS4 holds for each line that it traces.
  'ENV BASH_* BASHOPTS SHELLOPTS PS4 PROMPT_COMMAND ZDOTDIR FPATH',
  // Code in a compile cache runs instead of the program. Node prints the value of NODE_EXTRA_CA_CERTS if it is no file.
  'NODE_* NPM_CONFIG_* npm_config_* YARN_* COREPACK_* DENO_* BUN_*',
  'PYTHONPATH PYTHONHOME PYTHONPLATLIBDIR PYTHONPYCACHEPREFIX PYTHONUSERBASE',
  'PYTHONSTARTUP PYTHONINSPECT PYTHONBREAKPOINT PYTHONWARNINGS PYTHONEXECUTABLE',
  'PYTHON_PRESITE PIP_* UV_* PERL5LIB PERL5OPT PERL5DB PERLLIB',
  'RUBYOPT RUBYLIB GEM_* BUNDLE_* LUA_* ERL_*',
  '_JAVA_OPTIONS JDK_JAVA_OPTIONS JAVA_TOOL_OPTIONS CLASSPATH',
  'DOTNET_STARTUP_HOOKS DOTNET_ADDITIONAL_DEPS DOTNET_SHARED_STORE CORECLR_* COR_*',
].flatMap((names) => names.split(' '))

/** Of the above: programs read these as plain words or numbers, and many Deployments set them. */
const plainVariables: ReadonlySet<string> = new Set([
  'NODE_ENV',
  'NODE_NAME',
  'NODE_IP',
  'UV_THREADPOOL_SIZE',
])

export const noCodeVariable = "no variable by which a program loads code, but the row's"

/** The same as one pattern: a list of ninety would be walked for every variable of every pod. */
const codeVariable = new RegExp(
  `^(?:${codeVariables.map((name) => (name.endsWith('*') ? name.slice(0, -1) : `${name}$`)).join('|')})`,
)

/** True for one of the above, unless the row gives it, or it names one of the row's writable paths as a home. */
export function isCodeVariable(entry: EnvVar, { env, writablePaths }: EffectiveRow): boolean {
  const { name } = entry
  if (!codeVariable.test(name) || plainVariables.has(name)) return false
  const homes = /^(HOME|XDG_.*)$/.test(name) ? writablePaths.map(({ path }) => ({ name, value: path })) : []
  return ![...env, ...homes].some((own) => sameValue(own, entry))
}

/** True if a name that begins so may be one of the above. */
export function leadsToCodeVariable(prefix: string): boolean {
  return codeVariables.some((pattern) => fitsPattern(prefix, pattern) || pattern.startsWith(prefix))
}
