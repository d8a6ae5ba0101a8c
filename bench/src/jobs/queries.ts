import { Pace } from '../measure/pace.ts'
import { openPool, type QueryPool } from '../peers/query-pools.ts'
import type { Answer } from './answer.ts'
import { expectEqual } from './expect.ts'
import type { Job } from './job.ts'

export const queryPeers = ['forksafe', 'drop-in', 'pg.Pool', 'generic-pool'] as const
export type QueryPeer = (typeof queryPeers)[number]

export interface QueriesArgument {
  /** In the order in which they connect. */
  readonly peers: readonly QueryPeer[]
  /** The server's URL. If absent, clients answer without a server. */
  readonly url?: string
}

export interface QueriesRequest {
  readonly peer?: string
  readonly callers: number
  readonly millis: number
  readonly warmUp?: boolean
}

/** One peer, whose answers are checked. */
class Asked {
  readonly #peer: QueryPeer
  readonly #pool: QueryPool
  readonly #paces = new Map<number, Pace>()
  #asked = 0
  #right = 0

  constructor(peer: QueryPeer, url?: string) {
    this.#peer = peer
    this.#pool = openPool(peer, url)
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
        const { rows } = await this.#pool.query(number)
        if (rows[0]?.n === number) this.#right++
      }
    }
    await Promise.all(Array.from({ length: callers }, caller))
  }

  async finish(): Promise<void> {
    expectEqual(this.#right, this.#asked, `${this.#peer}: right answers`)
    await this.#pool.close()
  }
}

export async function start({ peers, url }: QueriesArgument): Promise<Job<QueriesRequest, Answer>> {
  const all = new Map(peers.map((peer) => [peer, new Asked(peer, url)]))
  return {
    async answer({ peer, callers, millis, warmUp = false }) {
      const pace = (all.get(peer as QueryPeer) as Asked).paceOf(callers)
      if (warmUp) await pace.warmUp(millis)
      // Connections that were idle for long are validated here, outside the measured time.
      else await pace.run(10)
      const { count, millis: took, processorMillis } = await pace.run(millis)
      // The queries per second.
      return { value: (count / took) * 1000, processor: (processorMillis / count) * 1e6 }
    },

    async finish() {
      for (const asked of all.values()) await asked.finish()
    },
  }
}
