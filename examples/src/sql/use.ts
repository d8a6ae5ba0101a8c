import { createForkSafePool } from '@forksafe/core'
import { mydbDriver } from './driver.ts'

export const pool = createForkSafePool(mydbDriver, {
  connection: process.env['DATABASE_URL'] ?? '',
})

/** Books what is free, and returns the seats that are not. */
export function book(seats: readonly number[]): Promise<number[]> {
  return pool.transaction(
    async (_session, savepoint) => {
      const taken: number[] = []
      for (const seat of seats) {
        await savepoint((session) => session.query('insert into seat values ($1)', [seat])).catch(
          () => taken.push(seat),
        )
      }
      return taken
    },
    { isolation: 'serializable', retries: 5 },
  )
}
