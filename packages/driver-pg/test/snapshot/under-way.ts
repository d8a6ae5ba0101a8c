import type { BasePoolOptions, ForkSafePool, Lease, PoolStats } from '@forksafe/core'
import type { PgMethods } from '@forksafe/driver-pg'
import type { Client } from 'pg'

export type PgPool = ForkSafePool<Client> & PgMethods
export type OpenPool = (name: string, options?: BasePoolOptions) => PgPool

/** What a pool may be in the middle of when the builder has nothing else to do. */
interface Case {
  readonly pool: PgPool
  /** Comes to the point where `begin` is the last thing to do. */
  ready?(): Promise<unknown>
  begin(): Promise<unknown>
}

/** A pool in the middle of something, what came of it, and the pool when the event loop was empty. */
export interface Outcome {
  atBegin: PoolStats
  atEnd?: PoolStats
  came?: unknown
}

const MANY_ROWS = 'SELECT n, repeat(md5(n::text), 20) AS filler FROM generate_series(1, 2000) n'

function cases(open: OpenPool): Record<string, Case> {
  const query = open('query')
  const connecting = open('connecting')
  const validating = open('validating', { validateAfterIdleMillis: 0 })
  const resetting = open('resetting')
  const destroying = open('destroying')
  const waiting = open('waiting', { max: 1 })
  const closing = open('closing')
  let lease: Lease<Client>
  return {
    query: {
      pool: query,
      ready: () => query.query('SELECT 1'),
      begin: async () => (await query.query(MANY_ROWS)).rows.length,
    },
    connecting: {
      pool: connecting,
      begin: () => {
        connecting.resize({ min: 1 })
        return connecting.warmUp().then(() => 'warm')
      },
    },
    validating: {
      pool: validating,
      ready: () => validating.query('SELECT 1'),
      begin: async () => (await validating.query('SELECT 1')).rowCount,
    },
    resetting: {
      pool: resetting,
      ready: async () => {
        lease = await resetting.acquire()
        await lease.resource.query('BEGIN')
      },
      begin: async () => lease.release(),
    },
    destroying: {
      pool: destroying,
      ready: () => destroying.query('SELECT 1'),
      begin: () => {
        destroying.recycle()
        return new Promise((resolve) => destroying.once('destroy', ({ reason }) => resolve(reason)))
      },
    },
    waiting: {
      pool: waiting,
      ready: async () => {
        const lease = await waiting.acquire()
        void lease.resource.query('SELECT pg_sleep(0.1)').then(() => lease.release())
      },
      begin: async () => (await waiting.query('SELECT 1')).rowCount,
    },
    closing: {
      pool: closing,
      ready: () => closing.acquire(),
      begin: () => closing.close({ deadlineMillis: 100 }).then(() => 'closed'),
    },
  }
}

/**
 * Begins one of them, as the last thing that the process does. The pools of the others are nobody's then, and may be
 * collected: no more does that keep the snapshot from being written.
 */
export async function begin(name: string, open: OpenPool): Promise<Outcome> {
  const it = cases(open)[name]
  if (it === undefined) throw new Error(`There is no case \`${name}\`.`)
  await it.ready?.()
  const coming = it.begin()
  const outcome: Outcome = { atBegin: it.pool.stats }
  void coming.then((came) => (outcome.came = came))
  process.once('beforeExit', () => (outcome.atEnd = it.pool.stats))
  return outcome
}
