import { setTimeout } from 'node:timers/promises'
import { Pool as PgPool, type PoolConfig } from 'pg'
import { onTestFinished } from 'vitest'
import { Pool } from '../../src/index.ts'
import { connectionTo } from './pools.ts'

/** pg's own pool, and the one that stands in for it: what is true of the one is true of the other. */
export const pools = [
  ['pg.Pool', PgPool],
  ['the drop-in', Pool],
] as const

/** A pool on the shared server, which ends with the test. */
export function openPool(Class: typeof PgPool, config: PoolConfig = {}): PgPool {
  const pool = new Class({ ...connectionTo(), ...config })
  onTestFinished(async () => {
    // pg's own may never settle: then the test has ended it by leaving a client with somebody.
    if (!pool.ending) await Promise.race([pool.end(), setTimeout(1_000)])
  })
  return pool
}

/** The server's pid of the session behind whichever client the pool takes. */
export async function pidOf(on: Pick<PgPool, 'query'>): Promise<number> {
  const { rows } = await on.query<{ pid: number }>('SELECT pg_backend_pid() AS pid')
  return (rows as [{ pid: number }])[0].pid
}

export async function errorOf(promise: Promise<unknown>): Promise<Error> {
  return promise.then(
    () => {
      throw new Error('Expected a rejection.')
    },
    (error: unknown) => error as Error,
  )
}

/** Every event of a pool from now on, in order. */
export function eventsOf(pool: PgPool): string[] {
  const events: string[] = []
  for (const event of ['connect', 'acquire', 'release', 'remove', 'error'] as const) {
    pool.on(event, () => events.push(event))
  }
  return events
}
