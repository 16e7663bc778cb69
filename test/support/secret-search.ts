import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { Redis } from 'ioredis'
import { Client } from 'pg'
import type { Bed } from '../../bed/bed.ts'

/** Where a text may have come to rest: everything that the parts of a bed keep, as text. */

export async function everyTable({ databaseUrl }: Pick<Bed, 'databaseUrl'>): Promise<string> {
  const database = new Client({ connectionString: databaseUrl })
  await database.connect()
  try {
    const { rows } = await database.query<{ name: string }>(
      `SELECT format('%I.%I', schemaname, tablename) AS name FROM pg_tables WHERE schemaname = 'public'`,
    )
    const dumps: string[] = []
    for (const { name } of rows)
      dumps.push(JSON.stringify((await database.query(`SELECT * FROM ${name}`)).rows))
    const activity = await database.query('SELECT query FROM pg_stat_activity')
    return [...dumps, JSON.stringify(activity.rows)].join('\n')
  } finally {
    await database.end()
  }
}

export async function everyKey({ redis: { url } }: Pick<Bed, 'redis'>): Promise<string> {
  const redis = new Redis(url)
  try {
    const keys = await redis.keys('*')
    const values = await Promise.all(keys.map((name) => redis.dumpBuffer(name)))
    return [...keys, ...values.map((value) => value?.toString('latin1'))].join('\n')
  } finally {
    redis.disconnect()
  }
}

export async function everyObject({ plane }: Pick<Bed, 'plane'>): Promise<string> {
  const kubectl = async (...args: string[]) => (await plane.kubectl(args)).stdout
  const kinds = (await kubectl('api-resources', '--verbs=list', '-o', 'name')).trim().split('\n')
  return kubectl('get', kinds.join(','), '--all-namespaces', '-o', 'json')
}

/** Files below the bed's folder that hold the text: logs, PostgreSQL's and etcd's data and write-ahead logs, all. */
export async function filesWith({ folder }: Pick<Bed, 'folder'>, text: string): Promise<readonly string[]> {
  try {
    const grep = promisify(execFile)
    // -e: a secret may begin with a hyphen.
    return (await grep('grep', ['-rlaF', '--devices=skip', '-e', text, folder])).stdout.trim().split('\n')
  } catch (error) {
    // 1: found nowhere.
    if ((error as { code?: unknown }).code === 1) return []
    throw error
  }
}
