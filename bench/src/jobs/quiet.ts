import { setTimeout } from 'node:timers/promises'
import { openPool, type QueryPool } from '../peers/query-pools.ts'
import type { Answer } from './answer.ts'
import { expectEqual } from './expect.ts'
import type { Job } from './job.ts'

export const quietPeers = ['forksafe', 'drop-in', 'pg.Pool'] as const
export type QuietPeer = (typeof quietPeers)[number]

/** The pause between two queries of one pool. */
export const PAUSE_MILLIS = 700

const WARM_UP_QUERIES = 20

export interface QuietArgument {
  /** In the order in which they connect. */
  readonly peers: readonly QuietPeer[]
  readonly url: string
}

export interface QuietRequest {
  readonly peer?: string
  /** Connects, and queries without pauses until the code is compiled. */
  readonly warmUp?: boolean
}

/** A pool that serves one query at a time, and whose answers are checked. */
class Quiet {
  readonly #pool: QueryPool
  #asked = 0
  #answeredAt = -Infinity

  constructor(peer: QuietPeer, url: string) {
    this.#pool = openPool(peer, url)
  }

  async pause(): Promise<void> {
    await setTimeout(Math.max(0, this.#answeredAt + PAUSE_MILLIS - performance.now()))
  }

  /** Returns the milliseconds until the answer, and the nanoseconds of processor time. */
  async ask(): Promise<Answer> {
    const number = this.#asked++
    const processor = process.cpuUsage()
    const started = performance.now()
    const { rows } = await this.#pool.query(number)
    this.#answeredAt = performance.now()
    const { user, system } = process.cpuUsage(processor)
    expectEqual(rows[0]?.n ?? Number.NaN, number, 'the answer')
    return { value: this.#answeredAt - started, processor: (user + system) * 1000 }
  }

  close(): Promise<void> {
    return this.#pool.close()
  }
}

export async function start({ peers, url }: QuietArgument): Promise<Job<QuietRequest, Answer>> {
  const all = new Map(peers.map((peer) => [peer, new Quiet(peer, url)]))
  return {
    async answer({ peer, warmUp = false }) {
      const quiet = all.get(peer as QuietPeer) as Quiet
      if (warmUp) for (let query = 1; query < WARM_UP_QUERIES; query++) await quiet.ask()
      else await quiet.pause()
      return quiet.ask()
    },

    async finish() {
      for (const quiet of all.values()) await quiet.close()
    },
  }
}
