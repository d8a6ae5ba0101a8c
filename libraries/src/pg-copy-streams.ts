import { Pool } from '@forksafe/driver-pg'
import { from as copyFrom } from 'pg-copy-streams'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'

export const pool = new Pool()

/** Inserts accounts into the table with one COPY. */
export async function load(accounts: Iterable<[id: number, owner: string]>): Promise<void> {
  const client = await pool.connect()
  try {
    const copy = client.query(copyFrom('COPY copied_accounts (id, owner) FROM STDIN'))
    const lines = Array.from(accounts, ([id, owner]) => `${id}\t${owner}\n`)
    await pipeline(Readable.from(lines), copy)
  } finally {
    client.release()
  }
}
