import { setTimeout } from 'node:timers/promises'
import { createPool as createMysql2Pool, type Pool, type PoolOptions } from 'mysql2/promise'
import { onTestFinished } from 'vitest'
import { createPool } from '../../src/index.ts'
import { connectionTo } from './pools.ts'

/** mysql2's own pool, and the one that stands in for it: what is true of the one is true of the other. */
export const pools = [
  ['mysql2/promise', createMysql2Pool],
  ['the drop-in', createPool],
] as const

/** A pool on the shared server, which ends with the test. */
export function openDropIn(create: typeof createPool, options: PoolOptions = {}): Pool {
  const pool = create({ ...connectionTo(), ...options })
  onTestFinished(async () => {
    // mysql2's own may never settle: then the test has left it something that hangs.
    if (!isClosed(pool)) await Promise.race([pool.end(), setTimeout(1_000)])
  })
  return pool
}

/** What programs look at that want to know how full the pool is. */
interface Lists {
  readonly _closed: boolean
  readonly _allConnections: { readonly length: number }
  readonly _freeConnections: { readonly length: number }
  readonly _connectionQueue: { readonly length: number }
}

function listsOf(pool: Pool): Lists {
  return pool.pool as unknown as Lists
}

export function isClosed(pool: Pool): boolean {
  return listsOf(pool)._closed
}

/** How many connections there are, how many of them are free, and how many callers wait. */
export function countsOf(pool: Pool): [all: number, free: number, queued: number] {
  const { _allConnections, _freeConnections, _connectionQueue } = listsOf(pool)
  return [_allConnections.length, _freeConnections.length, _connectionQueue.length]
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
export function eventsOf(pool: Pool): string[] {
  const events: string[] = []
  for (const event of ['connection', 'acquire', 'enqueue', 'release'] as const) {
    pool.on(event as 'acquire', () => events.push(event))
  }
  return events
}
