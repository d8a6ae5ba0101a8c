import { createForkSafePool } from '@forksafe/core'
import { pgDriverWith, Pool as DropIn } from '@forksafe/driver-pg'
import { setImmediate } from 'node:timers/promises'
import { Pool as PgPool } from 'pg'
import postgres from 'postgres'
import { Pace } from '../measure/pace.ts'
import type { Answer } from './answer.ts'
import { expectEqual } from './expect.ts'
import type { Job } from './job.ts'

export const sharingPeers = [
  'forksafe, shared',
  'drop-in, shared',
  'pg.Pool',
  'postgres.js',
] as const
export type SharingPeer = (typeof sharingPeers)[number]

export interface SharingArgument {
  readonly peers: readonly SharingPeer[]
  readonly url: string
}

export interface SharingRequest {
  readonly peer?: string
  readonly millis: number
  readonly warmUp?: boolean
  /** A closed loop of so many callers. Absent: an open loop of 3,000 statements a second, of which 1 % take 50 ms. */
  readonly callers?: number
  readonly unnamed?: boolean
  /** The share of updates, from 0 to 1. */
  readonly writes?: number
  /** Measures this quantile of the latency in ms, instead of statements per second. */
  readonly quantile?: number
}

const CONNECTIONS = 10
const OPEN_LOOP_PER_MILLI = 3
const ROWS = 1_000

const READ = 'select $1::int as n'
const WRITE = 'update bench_sharing set n = n + 1 where id = $1 returning id as n'
const SLOW = 'select $1::int as n from pg_sleep(0.05)'

type Rows = readonly { readonly n: number }[]

interface Pool {
  query(text: string, value: number, name?: string): Promise<Rows>
  close(): Promise<void>
}

function openPool(peer: SharingPeer, url: string): Pool {
  if (peer === 'postgres.js') {
    const sql = postgres(url, { max: CONNECTIONS })
    return {
      query: (text, value, name) =>
        sql.unsafe<{ n: number }[]>(text, [value], { prepare: name !== undefined }),
      close: () => sql.end(),
    }
  }
  if (peer === 'forksafe, shared') {
    const driver = pgDriverWith({ share: 'reads' })
    const pool = createForkSafePool(driver, { connection: url, max: CONNECTIONS })
    return {
      query: async (text, value, name) =>
        (await pool.query<{ n: number }>(configOf(text, value, name))).rows,
      close: () => pool.close(),
    }
  }
  const config = { connectionString: url, max: CONNECTIONS }
  const pool = peer === 'pg.Pool' ? new PgPool(config) : new DropIn({ ...config, share: 'reads' })
  return {
    query: async (text, value, name) =>
      (await pool.query<{ n: number }>(configOf(text, value, name))).rows,
    close: () => pool.end(),
  }
}

function configOf(text: string, value: number, name: string | undefined) {
  return name === undefined ? { text, values: [value] } : { name, text, values: [value] }
}

/** One peer, whose answers are checked. */
class Asked {
  readonly #peer: SharingPeer
  readonly #pool: Pool
  readonly #paces = new Map<string, Pace>()
  #asked = 0
  #right = 0

  constructor(peer: SharingPeer, url: string) {
    this.#peer = peer
    this.#pool = openPool(peer, url)
  }

  async answer(request: SharingRequest): Promise<Answer> {
    const { callers, millis, quantile, warmUp = false } = request
    if (callers === undefined) return this.#openLoop(millis, quantile ?? 0.5)
    const times: number[] | undefined = quantile === undefined ? undefined : []
    if (times !== undefined) {
      const processor = process.cpuUsage()
      const until = performance.now() + millis
      await this.#call(callers, request, () => performance.now() < until, times)
      const { user, system } = process.cpuUsage(processor)
      return {
        value: quantileOf(times, quantile ?? 0.5),
        processor: ((user + system) * 1000) / times.length,
      }
    }
    const key = JSON.stringify([callers, request.unnamed, request.writes])
    const pace =
      this.#paces.get(key) ??
      new Pace(async (count) => {
        let left = count
        await this.#call(callers, request, () => left-- > 0)
      }, callers)
    this.#paces.set(key, pace)
    if (warmUp) await pace.warmUp(millis)
    else await pace.run(10)
    const { count, millis: took, processorMillis } = await pace.run(millis)
    return { value: (count / took) * 1000, processor: (processorMillis / count) * 1e6 }
  }

  async #call(
    callers: number,
    { unnamed = false, writes = 0 }: SharingRequest,
    next: () => boolean,
    times?: number[],
  ): Promise<void> {
    const caller = async (): Promise<void> => {
      while (next()) {
        const from = times === undefined ? 0 : performance.now()
        const isWrite = writes > 0 && Math.random() < writes
        await this.#ask(isWrite ? WRITE : READ, unnamed ? undefined : isWrite ? 'write' : 'read')
        times?.push(performance.now() - from)
      }
    }
    await Promise.all(Array.from({ length: callers }, caller))
  }

  async #ask(text: string, name: string | undefined): Promise<void> {
    const number = this.#asked++ % ROWS
    const rows = await this.#pool.query(text, number, name)
    if (rows[0]?.n === number) this.#right++
  }

  /** Sends statements at their time, whatever was answered, and measures the fast ones from then on. */
  async #openLoop(millis: number, quantile: number): Promise<Answer> {
    const times: number[] = []
    const pending: Promise<void>[] = []
    const processor = process.cpuUsage()
    const started = performance.now()
    const all = Math.ceil(millis * OPEN_LOOP_PER_MILLI)
    for (let sent = 0; sent < all;) {
      for (; sent < all && started + sent / OPEN_LOOP_PER_MILLI <= performance.now(); sent++) {
        const due = started + sent / OPEN_LOOP_PER_MILLI
        if (sent % 100 === 50) pending.push(this.#ask(SLOW, 'slow'))
        else
          pending.push(this.#ask(READ, 'read').then(() => void times.push(performance.now() - due)))
      }
      await setImmediate()
    }
    await Promise.all(pending)
    const { user, system } = process.cpuUsage(processor)
    return { value: quantileOf(times, quantile), processor: ((user + system) * 1000) / all }
  }

  async finish(): Promise<void> {
    expectEqual(this.#right, this.#asked, `${this.#peer}: right answers`)
    await this.#pool.close()
  }
}

function quantileOf(times: number[], quantile: number): number {
  times.sort((a, b) => a - b)
  return times[Math.min(times.length - 1, Math.floor(times.length * quantile))] ?? Number.NaN
}

export async function start({ peers, url }: SharingArgument): Promise<Job<SharingRequest, Answer>> {
  const all = new Map(peers.map((peer) => [peer, new Asked(peer, url)]))
  return {
    answer: (request) => (all.get(request.peer as SharingPeer) as Asked).answer(request),
    async finish() {
      for (const asked of all.values()) await asked.finish()
    },
  }
}
