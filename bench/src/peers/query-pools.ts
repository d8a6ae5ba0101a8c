import { createForkSafePool } from '@forksafe/core'
import { pgDriver, Pool as DropIn } from '@forksafe/driver-pg'
import genericPool from 'generic-pool'
import { Client as PgClient, Pool as PgPool } from 'pg'
import { InstantPgClient } from './instant-client.ts'

const CONNECTIONS = 10

/** A pool of connections, used in the way that its documentation recommends. */
export interface QueryPool {
  query(number: number): Promise<{ readonly rows: readonly { readonly n: number }[] }>
  close(): Promise<void>
}

const TEXT = 'select $1::int as n'

const instantDriver: typeof pgDriver = {
  ...pgDriver,
  create: async () => new InstantPgClient(),
}

const pools = {
  forksafe: (url) => forksafe(url),
  'forksafe, no maxConnecting': (url) => forksafe(url, { maxConnecting: Infinity }),

  'drop-in': (url) => pooled(DropIn, url),
  'pg.Pool': (url) => pooled(PgPool, url),

  'generic-pool'(url) {
    const factory = {
      async create() {
        const client =
          url === undefined ? new InstantPgClient() : new PgClient({ connectionString: url })
        client.on('error', () => undefined)
        await client.connect()
        return client
      },
      destroy: (client: PgClient) => client.end(),
    }
    const pool = genericPool.createPool(factory, { max: CONNECTIONS })
    return {
      async query(number) {
        const client = await pool.acquire()
        try {
          return await client.query(TEXT, [number])
        } finally {
          void pool.release(client)
        }
      },
      async close() {
        await pool.drain()
        await pool.clear()
      },
    }
  },
} satisfies Record<string, (url?: string) => QueryPool>

export type QueryPoolName = keyof typeof pools

/** Opens a pool with at most 10 connections. Without a `url`, its clients answer without a server. */
export function openPool(name: QueryPoolName, url?: string): QueryPool {
  return pools[name](url)
}

function forksafe(url?: string, options: { maxConnecting?: number } = {}): QueryPool {
  const driver = url === undefined ? instantDriver : pgDriver
  const pool = createForkSafePool(driver, { ...options, connection: url ?? '', max: CONNECTIONS })
  return {
    query: (number) => pool.query<{ n: number }>(TEXT, [number]),
    close: () => pool.close(),
  }
}

function pooled(Pool: typeof PgPool, url?: string): QueryPool {
  const server = url === undefined ? { Client: InstantPgClient } : { connectionString: url }
  const pool = new Pool({ ...server, max: CONNECTIONS })
  pool.on('error', () => undefined)
  return { query: (number) => pool.query(TEXT, [number]), close: () => pool.end() }
}
