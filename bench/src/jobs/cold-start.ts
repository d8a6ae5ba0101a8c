import { setTimeout } from 'node:timers/promises'
import { openPool } from '../peers/query-pools.ts'
import type { Answer } from './answer.ts'
import { expectEqual } from './expect.ts'
import type { Job } from './job.ts'

export const coldStartPeers = [
  'forksafe',
  'forksafe, no maxConnecting',
  'drop-in',
  'pg.Pool',
] as const
export type ColdStartPeer = (typeof coldStartPeers)[number]

/** The time that the server has to end the sessions of the previous pool. */
const SETTLE_MILLIS = 50

const WARM_UP_STARTS = 3

export interface ColdStartArgument {
  readonly peers: readonly ColdStartPeer[]
  readonly url: string
}

export interface ColdStartRequest {
  readonly callers: number
  readonly peer?: string
  readonly warmUp?: boolean
}

/** Measures the milliseconds until each caller of a new pool has its first answer. */
export async function start({ url }: ColdStartArgument): Promise<Job<ColdStartRequest, Answer>> {
  let starts = 0
  return {
    async answer({ peer, callers, warmUp = false }) {
      const time = (): Promise<Answer> => timeColdStart(peer as ColdStartPeer, url, callers)
      if (warmUp) for (let n = 1; n < WARM_UP_STARTS; n++) await time()
      starts++
      return time()
    },

    async finish() {
      if (starts === 0) throw new Error('Nothing was measured.')
    },
  }
}

async function timeColdStart(peer: ColdStartPeer, url: string, callers: number): Promise<Answer> {
  const processor = process.cpuUsage()
  const started = performance.now()
  const pool = openPool(peer, url)
  const answers = await Promise.all(Array.from({ length: callers }, (_, n) => pool.query(n)))
  const took = performance.now() - started
  const { user, system } = process.cpuUsage(processor)
  const right = answers.filter(({ rows }, n) => rows[0]?.n === n)
  expectEqual(right.length, callers, `${peer}: right answers`)
  await pool.close()
  await setTimeout(SETTLE_MILLIS)
  return { value: took, processor: ((user + system) / callers) * 1000 }
}
