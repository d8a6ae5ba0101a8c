import { createForkSafePool } from '@forksafe/core'
import { CommitUnknownError, pgDriver } from '@forksafe/driver-pg'

export const pool = createForkSafePool(pgDriver, { connection: process.env.DATABASE_URL ?? '' })

// #region retries
export function transfer(from: string, to: string, amount: number): Promise<void> {
  return pool.transaction(
    async (client) => {
      const account = 'select balance from account where owner = $1'
      const { rows } = await client.query<{ balance: number }>(account, [from])
      if ((rows[0]?.balance ?? 0) < amount) throw new RangeError(`${from} has no ${amount}`)

      const change = 'update account set balance = balance + $2 where owner = $1'
      await client.query(change, [from, -amount])
      await client.query(change, [to, amount])
    },
    { isolation: 'serializable', retries: 5 },
  )
}
// #endregion

// #region savepoint
/** Books the free seats, and returns the others. */
export function book(seats: readonly number[]): Promise<number[]> {
  return pool.transaction(async (_client, savepoint) => {
    const taken: number[] = []
    for (const seat of seats) {
      try {
        await savepoint((client) => client.query('insert into booking values ($1)', [seat]))
      } catch (error) {
        if ((error as { code?: string }).code !== '23505') throw error
        taken.push(seat)
      }
    }
    return taken
  })
}
// #endregion

// #region report
export function report(): Promise<{ sum: string }> {
  return pool.transaction(
    async (client) => {
      const { rows } = await client.query<{ sum: string }>('select sum(balance) from account')
      return rows[0] ?? { sum: '0' }
    },
    { readOnly: true, signal: AbortSignal.timeout(2_000) },
  )
}
// #endregion

// #region unknown
/** Places an order. The caller chooses the id, so that the order can be looked up if the outcome is unknown. */
export async function order(id: string, item: string): Promise<void> {
  try {
    await pool.transaction((client) =>
      client.query('insert into orders values ($1, $2)', [id, item]),
    )
  } catch (error) {
    if (!(error instanceof CommitUnknownError)) throw error
    const { rowCount } = await pool.query('select from orders where id = $1', [id])
    if (rowCount === 0) throw error
  }
}
// #endregion
