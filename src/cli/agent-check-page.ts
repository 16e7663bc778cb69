import { contractRules } from './agent-check/contract-rules.ts'
import { runRules } from './agent-check/rules/run-rules.ts'

/** `node src/cli/agent-check-page.ts > docs/agent-check.md`; a test compares the two. */

const rows = [...contractRules, ...runRules].map(
  ({ rule, title, fix }) => `| \`${rule}\` | ${title} | ${fix} |`,
)

process.stdout.write(`# Check an agent, in any language

\`\`\`sh
npx greenroom agent-check -- python3 agent.py
\`\`\`

It starts the agent with keys and pod UIDs of its own, plays the session server and the kubelet, tries each rule below, and
prints what it saw. It exits with 1 if one rule is broken, with 2 if the arguments are wrong; \`--json\` is for scripts. It
takes 4 to 9 s for the agents of this repository, and up to two minutes for one that listens on all addresses and never
exits (\`--grace-seconds\` shortens that).

- **Where the agent listens**: on port 8080, as in a pod, and at the address in \`GREENROOM_LISTEN_ADDRESS\` if that is set.
  Each agent is given one of 127.x.y.z, so several run beside each other. One that listens on all addresses is found out and
  runs alone; then nothing else of the machine may have the port. \`--port\` is for agents that listen elsewhere.
- **Environment**: that of the command, without \`GREENROOM_*\` and \`LIVEKIT_API_*\`, and with what the webhook would set:
  \`GREENROOM_POD_UID\`, \`GREENROOM_POD_NAME\`, \`GREENROOM_POD_IP\`, \`GREENROOM_AGENT_TYPE\`, \`GREENROOM_ASSIGN_KEYS\`.
- **Signals** go to the process that was started, as in a container: a shell in front of the agent has to pass them on.
- **The read-only root** is made in a mount namespace, on Linux, as root or where users may have namespaces of their own.
  Elsewhere the report says "not tried". So it does of the lease, if the agent leaves renewing to its caller.
- **LiveKit** is not needed: the room in an assignment is one that never answers.

| rule | an agent … | what to do if not |
|---|---|---|
${rows.join('\n')}

The agents that pass it in the tests: \`src/agent/echo-agent.ts\`, \`examples/python-agent\`, and the ten lines of
[quickstart-agent.md](quickstart-agent.md) installed from the npm package. An agent that is broken on purpose
(\`test/cli/agent-check/broken-agent.ts\`) has a fault for every rule, and each is found by its rule.
`)
