import { action } from './line/command-spec.ts'
import { programName } from './line/program-name.ts'

/** Each asks the program itself for the words that may follow, so that it knows new commands without a new script. */
const scripts = {
  bash: `_greenroom() {
  local line
  COMPREPLY=()
  while IFS= read -r line; do
    COMPREPLY+=("\${line%%$'\\t'*}")
  done < <(greenroom __complete "\${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null | grep -v '^:')
}
complete -o default -F _greenroom greenroom
`,
  zsh: `#compdef greenroom
_greenroom() {
  local -a found
  local line
  while IFS= read -r line; do
    found+=("\${\${line//:/\\\\:}/$'\\t'/:}")
  done < <(greenroom __complete "\${words[2,CURRENT]}" 2>/dev/null | grep -v '^:')
  if (( \${#found} )); then _describe 'greenroom' found; else _files; fi
}
compdef _greenroom greenroom
`,
  fish: `function __greenroom_complete
  set -l words (commandline -opc) (commandline -ct)
  greenroom __complete $words[2..-1] 2>/dev/null | string match -v -r '^:'
end
complete -c greenroom -f -n 'count (__greenroom_complete) > /dev/null' -a '(__greenroom_complete)'
`,
} as const

export const completion = action({
  summary: 'Print what bash, zsh or fish needs to complete the words of a command',
  about: `Names of pools and sessions are completed too, where a server is configured. For "kubectl greenroom", put kubectl_complete-greenroom beside kubectl-greenroom into the PATH: the npm package has both.`,
  arguments: [{ name: 'SHELL', help: 'bash, zsh or fish', words: Object.keys(scripts) }],
  options: {},
  examples: [
    { line: 'source <(greenroom completion bash)', does: 'In ~/.bashrc' },
    { line: 'greenroom completion zsh > ~/.zfunc/_greenroom', does: 'With ~/.zfunc in fpath' },
    { line: 'greenroom completion fish > ~/.config/fish/completions/greenroom.fish', does: 'For fish' },
  ],
  async run({ words: [shell] }) {
    if (programName() !== 'greenroom')
      process.stderr.write('kubectl completes by itself, with kubectl_complete-greenroom in the PATH.\n')
    process.stdout.write(scripts[shell as keyof typeof scripts])
  },
})
