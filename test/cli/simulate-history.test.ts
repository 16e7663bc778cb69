import { Client } from 'pg'
import t from 'tap'
import { startDatabase } from '../stores/store-servers.ts'
import { runProgram } from '../support/run-program.ts'

/** `simulate --history`: the sessions of a real database are the claims. */

const database = await startDatabase(t)
const url = await database.fresh()

const simulate = (databaseUrl: string, ...args: string[]) =>
  runProgram('src/cli/greenroom.ts', ['simulate', '--history', ...args], {
    env: { DATABASE_URL: databaseUrl },
  })

void t.test('a database without sessions, and one that does not answer, are told', async (t) => {
  const empty = await simulate(url, '--sizing', 'fixed:2')
  t.match(empty, { code: 2, stderr: /GRN_INVALID_TRACE.*no sessions of any type/ })
  const away = await simulate('postgres://nobody@127.0.0.1:1/none', '--sizing', 'fixed:2')
  t.match(away.stderr, /GRN_DATABASE_UNAVAILABLE/)
  t.not(away.code, 0)
})

void t.test(
  'every session is a claim at its time, of one type or of all, also over several reads',
  async (t) => {
    const client = new Client({ connectionString: url })
    await client.connect()
    // One each 5 s, and each third of another type. More than one read of the cursor takes.
    const rows = 60_000
    await client.query(
      `INSERT INTO sessions (id, status, end_reason, agent_type, room_name, room, epoch, warm, lease_ms, lease_expires_at,
       max_ends_at, created_at, ended_at)
     SELECT gen_random_uuid(), 'ENDED', 'ended:caller', CASE WHEN n % 3 = 0 THEN 'stella-light' ELSE 'echo-agent' END,
       'r', 'r' || n, 1, true, 1, now(), now(), timestamptz '2026-03-01 09:00Z' + n * interval '5 s', now()
     FROM generate_series(0, $1::int - 1) AS n`,
      [rows],
    )
    await client.end()
    const outcome = async (...args: string[]) => {
      const { code, stdout, stderr } = await simulate(url, '--sizing', 'fixed:4', '--json', ...args)
      t.match({ code, stderr }, { code: 0, stderr: '' })
      return JSON.parse(stdout).outcomes[0].claims
    }
    t.equal(await outcome(), rows)
    t.equal(await outcome('--type', 'stella-light'), rows / 3)
    const { stdout } = await simulate(url, '--sizing', 'fixed:4')
    t.match(stdout, /^60000 claims in 3\.47 days: 0\.2\/s on average/m)
    t.match(stdout, /opens that were refused are not among them/)
  },
)
