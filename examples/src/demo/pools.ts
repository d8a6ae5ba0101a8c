import { createForkSafePool } from '@forksafe/core'
import { pgDriver } from '@forksafe/driver-pg'
import { Pool } from 'pg'
import { CONNECTIONS } from './plan.ts'

export type Kind = 'plain' | 'forksafe'

export const TITLES: Readonly<Record<Kind, string>> = { plain: 'pg.Pool', forksafe: 'forksafe' }

export interface Queryable {
  query(text: string, values?: unknown[]): Promise<{ rows: Record<string, unknown>[] }>
}

export interface Borrowed extends Queryable {
  release(): void
}

/** The part of a pool that the demo uses, as pg's own has it. */
export interface AnyPool extends Queryable {
  connect(): Promise<Borrowed>
  end(): Promise<void>
}

export function openPool(kind: Kind, url: string): AnyPool {
  return kind === 'plain' ? plainPool(url) : forkSafePool(url)
}

function plainPool(url: string): AnyPool {
  // The same idle timeout as in the other pool.
  const pool = new Pool({ connectionString: url, max: CONNECTIONS, idleTimeoutMillis: 60_000 })
  // Required by pg's manual: otherwise the end of an idle connection crashes the process. Queries report their own errors.
  pool.on('error', () => undefined)
  return pool
}

function forkSafePool(url: string): AnyPool {
  const pool = createForkSafePool(pgDriver, { connection: url, max: CONNECTIONS })
  return {
    query: (text, values) => pool.query(text, values),
    async connect() {
      const lease = await pool.acquire()
      return {
        query: (text, values) => lease.resource.query(text, values),
        release: () => lease.release(),
      }
    },
    end: () => pool.close(),
  }
}
