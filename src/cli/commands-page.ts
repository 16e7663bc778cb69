import { agentCommands } from './agent-commands.ts'
import type { Commands } from './command.ts'
import { commandHelp } from './line/command-help.ts'
import type { CommandNode } from './line/command-spec.ts'
import { type ExitCode, exitCodeMeanings } from './line/exit-code.ts'
import { operatorCommands } from './operator-commands.ts'
import { ownCommands } from './own-commands.ts'
import { serverCommands } from './server-commands.ts'

/** `node src/cli/commands-page.ts > docs/cli.md`: the page of the command line, from what the commands declare. */

const groups: readonly (readonly [string, string, Commands])[] = [
  [
    'See and steer',
    'They ask the session server with an API key. The npm package and the plug-in of kubectl have them.',
    serverCommands,
  ],
  [
    'For those who run Greenroom',
    'They ask the cluster, PostgreSQL or Redis, and come with the image and the repository.',
    operatorCommands,
  ],
  ['For those who write agents', 'They need Node alone.', agentCommands],
  ['Of the program itself', 'They ask nobody.', ownCommands],
]

const head = `# The command line

\`\`\`sh
export GREENROOM_API_KEY=…                 # greenroom keys create makes one
greenroom pools                            # how many pods each pool has
greenroom sessions --status ACTIVE --watch # who is talking, as it changes
greenroom pools set echo-agent --min 5     # shows the change, asks, and writes it
\`\`\`

| where | how it is called |
|---|---|
| npm | \`npm install -g greenroom\`, then \`greenroom COMMAND\` |
| kubectl | \`kubectl greenroom COMMAND\`: the same program as kubectl-greenroom, which the npm package brings; for krew, \`node scripts/build-plugin.ts --url URL\` makes an archive and the manifest that leads to it |
| a checkout | \`npm run -s greenroom -- COMMAND\` |
| the image | \`node src/main.ts COMMAND\` |

Whoever gives no address needs \`@kubernetes/client-node\` and \`undici\` beside the npm package (optional peers), because the
kubeconfig is read by them. The image and a checkout have both.

## How the server is found

| first | \`--server URL\` |
|---|---|
| then | \`GREENROOM_API_URL\`, unless \`--context\` is given |
| then | the kubeconfig: \`--kubeconfig\`, \`KUBECONFIG\` (of several files the first that exists), the ServiceAccount of the pod, \`~/.kube/config\` |

The kubeconfig leads to a Ready pod with the label \`greenroom.dev/component=session-management-server\` in namespace \`ai-agents\`
(\`-n\`, \`GREENROOM_NAMESPACE\`), by a port-forward as kubectl makes it. Rights in that namespace: \`list\` of pods, \`get\` and
\`create\` of pods/portforward. \`pools set\`, \`freeze\` and \`thaw\` need \`get\` and \`patch\` of the ConfigMap \`agent-pools\`. The API key comes
from \`--key\` or \`GREENROOM_API_KEY\` in any case: it says what you may see.

The address of another version of Greenroom gets one line of warning on stderr, and is asked all the same.

The help of these commands has \`--server\`, \`--key\`, \`--context\`, \`--kubeconfig\` and \`-n\`; below they are left out, as are \`-o\`,
\`--json\` and \`--watch\`.

## Forms

| \`-o\` | what is printed |
|---|---|
| \`table\` | the columns that fit most; on a terminal that is too narrow each row becomes a block of lines |
| \`wide\` | all columns |
| \`json\`, \`yaml\` | the answer of the API; \`--json\` is \`-o json\` |
| \`name\` | \`pool/echo-agent\`, a line each; commands take such a name as an argument |
| \`jsonpath=TEMPLATE\` | kubectl's templates: \`{.a.b}\`, \`{.a[0]}\`, \`{.a[*]}\`, \`{.a[?(@.b=="c")]}\`, \`{..a}\`, \`{range .a[*]}…{"\\n"}{end}\` |

Colours are for terminals: a pipe gets none, and \`NO_COLOR\` turns them off. \`--watch\` prints the table and then each row that
changes; Ctrl-C ends it. A closed pipe (\`greenroom sessions | head -1\`) ends the program with 0.
`

export async function commandsPage(): Promise<string> {
  const parts: string[] = [head, codes()]
  for (const [title, about, commands] of groups) {
    parts.push(`## ${title}\n\n${about}\n`)
    for (const [name, { load }] of Object.entries(commands)) {
      const program = await load()
      const texts = program.kind === undefined ? [program.usage] : helpOf([name], program)
      parts.push(`### ${name}\n\n${texts.map(block).join('\n\n')}\n`)
    }
  }
  return parts.join('\n')
}

function codes(): string {
  const rows = (Object.keys(exitCodeMeanings).map(Number) as ExitCode[]).map(
    (code) => `| ${code} | ${exitCodeMeanings[code]} |`,
  )
  return `## Exit codes\n\n| code | meaning |\n|---|---|\n${rows.join('\n')}\n\nErrors are one line on stderr: the code of [errors.md](errors.md), what happened, and what to do.\n`
}

/** The command's own help, and that of each action in it. */
function helpOf(path: readonly string[], node: CommandNode): string[] {
  const own = commandHelp(path, node, { brief: true })
  if (node.kind === 'action') return [own]
  return [own, ...Object.entries(node.actions).flatMap(([name, next]) => helpOf([...path, name], next))]
}

function block(text: string): string {
  return `\`\`\`text\n${text}\n\`\`\``
}

if (import.meta.main) process.stdout.write(await commandsPage())
