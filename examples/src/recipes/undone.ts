import { pool } from './pool.ts'
import type { Queryable } from './queryable.ts'

/** Runs a test in a transaction, and rolls it back. */
export async function undone(work: (db: Queryable) => Promise<void>): Promise<void> {
  const undo = new Error('rolled back')
  const transaction = pool.transaction(async (client) => {
    await work(client)
    throw undo
  })
  await transaction.catch((error: unknown) => {
    if (error !== undo) throw error
  })
}
