import type { ErrorEntry } from './error-entry.ts'

/** The part of the catalogue that only commands and the server of models' tools meet. */
export const commandErrors = {
  GRN_NOT_OPENED_HERE: {
    status: 409,
    title: 'This MCP server has not opened such a session for this key, or keeps it no longer',
    remedy: 'Open a session with the tool open, and say something in that one.',
  },
  GRN_AGENT_NOT_IN_ROOM: {
    status: 503,
    title: 'The agent has not joined the room of its session',
    remedy: 'Try again in a few seconds. If it stays away, end the session and open another.',
  },
  GRN_AGENT_SILENT: {
    status: 504,
    title: 'The agent did not answer in time',
    remedy:
      'Say it again, or wait longer (waitSeconds). An agent that never answers may take no text: it has to read text streams of the topic lk.chat.',
  },
  GRN_PACKAGE_MISSING: {
    status: 501,
    title: 'The package @livekit/rtc-node is not installed where the MCP server runs',
    remedy: 'Tell the operator of the MCP server to run "npm install @livekit/rtc-node" beside it.',
  },
  GRN_WRONG_ARGUMENTS: {
    status: 400,
    title: 'The arguments of the command are wrong',
    remedy: 'Look at docs/cli.md or the --help of the command.',
  },
  GRN_SERVER_NOT_FOUND: {
    status: 503,
    title: 'The kubeconfig leads to no session server',
    remedy:
      'Give the namespace of Greenroom with -n, another cluster with --context, or an address with --server.',
  },
  GRN_POD_NOT_FOUND: {
    status: 404,
    title: 'There is no such pod in the cluster',
    remedy: 'Give NAMESPACE/NAME, or the namespace with -n.',
  },
  GRN_NOTHING_RECORDED: {
    status: 404,
    title: 'No decision on the size of this pool is recorded',
    remedy:
      'Compare the agent type with GET /v1/pools. A new pool has its first decision when a controller leads.',
  },
  GRN_DOCUMENT_CHANGED: {
    status: 409,
    title: 'Somebody else changed the document meanwhile, so nothing was written',
    remedy: 'Repeat the same command or request: it shows what it would change now.',
  },
  GRN_DOCUMENT_REFUSED: {
    status: 422,
    title: 'The cluster refused the document, so nothing was written',
    remedy: 'Correct what the detail names; what was in force stays.',
  },
  GRN_CLUSTER_FORBIDDEN: {
    status: 403,
    title: 'Your kubeconfig does not allow this in the cluster',
    remedy:
      'Ask whoever runs the cluster for the right that the detail names, or give --server. docs/cli.md lists the rights of each command.',
  },
} as const satisfies Record<string, ErrorEntry>
