import { createForkSafePool } from '@forksafe/core'
import { pgDriver, Pool as DropIn } from '@forksafe/driver-pg'
import genericPool from 'generic-pool'
import { Client as PgClient, Pool as PgPool } from 'pg'
import { InstantPgClient } from '../peers/instant-client.ts'
import { Pace } from '../measure/pace.ts'
import type { Answer } from './answer.ts'
import { expectEqual } from './expect.ts'
import type { Job } from './job.ts'

export const CONNECTIONS = 10

export const queryPeers = ['forksafe', 'drop-in', 'pg.Pool', 'generic-pool'] as const
export type QueryPeer = (typeof queryPeers)[number]

export interface QueriesArgument {
  /** In the order in which they connect. */
  readonly peers: readonly QueryPeer[]
  /** Of the server; without one, clients that answer at once. */
  readonly url?: string
}

export interface QueriesRequest {
  readonly peer?: string
  readonly callers: number
  readonly millis: number
  readonly warmUp?: boolean
}

interface Client {
  query(number: number): Promise<{ readonly rows: readonly { readonly n: number }[] }>
  close(): Promise<void>
}

const TEXT = 'select $1::int as n'

const instantDriver: typeof pgDriver = {
  ...pgDriver,
  create: async () => new InstantPgClient(),
}

const open: Record<QueryPeer, (url?: string) => Client> = {
  forksafe(url) {
    const driver = url === undefined ? instantDriver : pgDriver
    const pool = createForkSafePool(driver, { connection: url ?? '', max: CONNECTIONS })
    return {
      query: (number) => pool.query<{ n: number }>(TEXT, [number]),
      close: () => pool.close(),
    }
  },

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
}

function pooled(Pool: typeof PgPool, url?: string): Client {
  const server = url === undefined ? { Client: InstantPgClient } : { connectionString: url }
  const pool = new Pool({ ...server, max: CONNECTIONS })
  pool.on('error', () => undefined)
  return { query: (number) => pool.query(TEXT, [number]), close: () => pool.end() }
}

/** One peer, its answers checked. */
class Asked {
  readonly #peer: QueryPeer
  readonly #client: Client
  readonly #paces = new Map<number, Pace>()
  #asked = 0
  #right = 0

  constructor(peer: QueryPeer, url?: string) {
    this.#peer = peer
    this.#client = open[peer](url)
  }

  paceOf(callers: number): Pace {
    const pace =
      this.#paces.get(callers) ?? new Pace((count) => this.#call(callers, count), callers)
    this.#paces.set(callers, pace)
    return pace
  }

  async #call(callers: number, count: number): Promise<void> {
    let left = count
    const caller = async (): Promise<void> => {
      while (left-- > 0) {
        const number = this.#asked++
        const { rows } = await this.#client.query(number)
        if (rows[0]?.n === number) this.#right++
      }
    }
    await Promise.all(Array.from({ length: callers }, caller))
  }

  async finish(): Promise<void> {
    expectEqual(this.#right, this.#asked, `${this.#peer}: right answers`)
    await this.#client.close()
  }
}

export async function start({ peers, url }: QueriesArgument): Promise<Job<QueriesRequest, Answer>> {
  const all = new Map(peers.map((peer) => [peer, new Asked(peer, url)]))
  return {
    async answer({ peer, callers, millis, warmUp = false }) {
      const pace = (all.get(peer as QueryPeer) as Asked).paceOf(callers)
      if (warmUp) await pace.warmUp(millis)
      // Connections that were idle for long are validated here, and not in what is timed.
      else await pace.run(10)
      const { count, millis: took, processorMillis } = await pace.run(millis)
      // Queries a second.
      return { value: (count / took) * 1000, processor: (processorMillis / count) * 1e6 }
    },

    async finish() {
      for (const asked of all.values()) await asked.finish()
    },
  }
}
