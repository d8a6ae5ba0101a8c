import { createForkSafePool } from '@forksafe/core'
import { pgDriver } from '@forksafe/driver-pg'
import genericPool from 'generic-pool'
import { Client as PgClient, Pool as PgPool } from 'pg'
import { Pace } from '../measure/pace.ts'
import type { Answer } from './answer.ts'
import { expectEqual } from './expect.ts'
import type { Job } from './job.ts'

export const CONNECTIONS = 10

export const queryPeers = ['forksafe', 'pg.Pool', 'generic-pool'] as const
export type QueryPeer = (typeof queryPeers)[number]

export interface QueriesArgument {
  readonly peer: QueryPeer
  readonly url: string
}

export interface QueriesRequest {
  readonly callers: number
  readonly millis: number
  readonly warmUp?: boolean
}

interface Client {
  query(number: number): Promise<{ readonly rows: readonly { readonly n: number }[] }>
  close(): Promise<void>
}

const TEXT = 'select $1::int as n'

const open: Record<QueryPeer, (url: string) => Client> = {
  forksafe(url) {
    const pool = createForkSafePool(pgDriver, { connection: url, max: CONNECTIONS })
    return {
      query: (number) => pool.query<{ n: number }>(TEXT, [number]),
      close: () => pool.close(),
    }
  },

  'pg.Pool'(url) {
    const pool = new PgPool({ connectionString: url, max: CONNECTIONS })
    pool.on('error', () => undefined)
    return { query: (number) => pool.query(TEXT, [number]), close: () => pool.end() }
  },

  'generic-pool'(url) {
    const factory = {
      async create() {
        const client = new PgClient({ connectionString: url })
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
}

export async function start({ peer, url }: QueriesArgument): Promise<Job<QueriesRequest, Answer>> {
  const client = open[peer](url)
  let asked = 0
  let right = 0

  const paces = new Map<number, Pace>()
  const paceOf = (callers: number): Pace => {
    const pace = paces.get(callers) ?? new Pace((count) => call(callers, count), callers)
    paces.set(callers, pace)
    return pace
  }

  async function call(callers: number, count: number): Promise<void> {
    let left = count
    const caller = async (): Promise<void> => {
      while (left-- > 0) {
        const number = asked++
        const { rows } = await client.query(number)
        if (rows[0]?.n === number) right++
      }
    }
    await Promise.all(Array.from({ length: callers }, caller))
  }

  return {
    async answer({ callers, millis, warmUp = false }) {
      const pace = paceOf(callers)
      if (warmUp) await pace.warmUp(millis)
      // Connections that were idle for long are validated here, and not in what is timed.
      else await pace.run(10)
      const { count, millis: took, processorMillis } = await pace.run(millis)
      // Queries a second.
      return { value: (count / took) * 1000, processor: (processorMillis / count) * 1e6 }
    },

    async finish() {
      expectEqual(right, asked, `${peer}: right answers`)
      await client.close()
    },
  }
}
