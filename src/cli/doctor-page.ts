import { doctorChecks } from './doctor-checks/doctor-checks.ts'

/** `node src/cli/doctor-page.ts > docs/doctor.md`; a test compares the two. */

const when = { before: 'before', after: 'after', always: 'both' } as const

const rows = doctorChecks.map(
  (check) =>
    `| \`${check.name}\` | ${when[check.when]} | ${check.title} | ${check.why} | \`${shown(check.fix)}\` |`,
)

/** A bar would end the cell. */
function shown(fix: string): string {
  return fix.replaceAll('|', '\\|')
}

process.stdout.write(`# The doctor

\`\`\`sh
npm run doctor -- --before     # may it be installed here: versions, rights, stores, LiveKit
npm run doctor -- --after      # is it installed well; what is missing has failed
npm run doctor                 # as --after, but what is not installed or configured is skipped
npm run doctor -- --invariants # do Kubernetes, PostgreSQL and Redis agree: nothing but that
\`\`\`

\`\`\`
ok       kubernetes-version      Kubernetes v1.36.3.
failed   redis-eviction          maxmemory-policy is allkeys-lru with maxmemory 67108864.
                                 fix: redis-cli -u "$REDIS_URL" config set maxmemory-policy noeviction
skipped  livekit-keys            LIVEKIT_URL and LIVEKIT_API_KEY and LIVEKIT_API_SECRET are not set.
\`\`\`

It changes nothing. It reads what these name: \`KUBECONFIG\` (in a pod: its ServiceAccount), \`DATABASE_URL\`, \`REDIS_URL\`,
\`LIVEKIT_URL\` with \`LIVEKIT_API_KEY\` and \`LIVEKIT_API_SECRET\`, \`GREENROOM_NAMESPACE\`. In the image: \`node src/main.ts doctor\`.

| state | is said of |
|---|---|
| \`ok\` | what was looked at and is right |
| \`warning\` | what works, and will not in some case that the line names; it does not change the exit code |
| \`failed\` | what is wrong; the next line has a command |
| \`skipped\` | what was not looked at: not configured, not reached, not installed, or you may not look. It is never called \`ok\` |

| exit code | means |
|---|---|
| 0 | nothing is wrong |
| 1 | a check failed, or an invariant is broken |
| 2 | the arguments or the environment are wrong |
| 6 | a store was not read for the invariants |

Checks run side by side, each for eight seconds at most: a part that hangs delays no other. \`--json\` prints
\`{violations, counts, unread, seen, checks: [{name, title, state, detail, fix?}]}\`. What other programs answer is shown without
passwords and tokens. On a terminal of less than 72 columns details stand below their names.

## Checks

| check | when | what must be so | why | what to do if not |
|---|---|---|---|---|
${rows.join('\n')}

The clocks are judged by what is certain: a slow answer widens what a clock may show. Whether an image can be pulled only a node
knows, by trying; \`images-pulled\` reports what the nodes have tried.

## Invariants

After the checks the doctor compares Kubernetes, PostgreSQL and Redis and names each pod, session or slot that they tell
differently ([claims.md](claims.md)); the controller exports the same as \`greenroom_invariant_violations{kind}\`.
`)
