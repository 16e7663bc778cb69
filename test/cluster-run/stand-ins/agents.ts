import { DatabaseSync } from 'node:sqlite'

/** Agents as Station keeps them: in one SQLite file, an agent known by its name and with an id that it never changes. */
export interface Agents {
  readonly list: () => readonly object[]
  /** Takes over the image's configuration; how many agents it has. */
  readonly sync: () => number
  readonly close: () => void
}

/** `configuration`: JSON, what each agent is told, by name. Fails where the folder cannot be written. */
export function openAgents(path: string, configuration: string): Agents {
  const database = new DatabaseSync(path)
  database.exec(`CREATE TABLE IF NOT EXISTS agents (id INTEGER PRIMARY KEY, name TEXT UNIQUE NOT NULL, prompt TEXT NOT NULL);
    CREATE TABLE IF NOT EXISTS starts (at TEXT NOT NULL);
    INSERT INTO starts VALUES (datetime('now'))`)
  const upsert = database.prepare(
    'INSERT INTO agents (name, prompt) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET prompt = excluded.prompt',
  )
  const select = database.prepare(
    'SELECT id, name, prompt, (SELECT count(*) FROM starts) AS starts FROM agents ORDER BY id',
  )
  function sync(): number {
    const agents = Object.entries(JSON.parse(configuration) as Record<string, string>)
    for (const [name, prompt] of agents) upsert.run(name, prompt)
    return agents.length
  }
  sync()
  return { list: () => select.all(), sync, close: () => database.close() }
}
