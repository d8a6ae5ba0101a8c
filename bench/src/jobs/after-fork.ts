import { afterFork, createForkSafePool, defineDriver, type ForkSafePool } from '@forksafe/core'
import { pgDriver } from '@forksafe/driver-pg'
import { forkSupported, inChild } from '@forksafe/testkit'
import { expectEqual } from './expect.ts'
import { type Job, NotHereError } from './job.ts'

export interface AfterForkArgument {
  readonly idle: number
  /** The PostgreSQL to connect to. If absent, resources open at once. */
  readonly url?: string
}

/** The measured times, in milliseconds. */
export interface AfterForkAnswer {
  /** The duration of `afterFork()`, in which every pool discards its inherited resources. */
  readonly afterFork: number
  /** The time from the call of `afterFork()` to the first answer in the child. */
  readonly firstAnswer: number
  /** The time to the first answer of a new pool in the parent, without a fork. */
  readonly newPool: number
}

/** A pool and its cheapest request. */
interface Asked {
  readonly pool: ForkSafePool<object>
  readonly ask: () => Promise<unknown>
}

function openFake(max: number): Asked {
  const driver = defineDriver({
    name: 'bench',
    create: async () => ({}),
    destroy: () => undefined,
    discard: () => undefined,
  })
  const pool = createForkSafePool(driver, { connection: undefined, max })
  return { pool, ask: () => pool.use(() => undefined) }
}

function openPostgres(max: number, url: string): Asked {
  const pool = createForkSafePool(pgDriver, { connection: url, max })
  return { pool, ask: () => pool.query('select 1') }
}

export async function start({
  idle,
  url,
}: AfterForkArgument): Promise<Job<undefined, AfterForkAnswer>> {
  const support = forkSupported()
  if (!support.supported) throw new NotHereError(support.reason)
  const open = (): Asked => (url === undefined ? openFake(idle) : openPostgres(idle, url))
  const { pool, ask } = open()

  return {
    async answer() {
      await fill(pool, idle)
      const newPool = await timeNewPool(open)
      const child = await inChild(
        async () => {
          const started = performance.now()
          afterFork()
          const letGo = performance.now()
          await ask()
          const { generation, size } = pool.stats
          return {
            afterFork: letGo - started,
            firstAnswer: performance.now() - started,
            generation,
            size,
          }
        },
        { afterFork: false },
      )
      expectEqual(child.generation, 2, 'generation in the child')
      expectEqual(child.size, 1, 'resources in the child')
      expectEqual(pool.stats.idle, idle, 'idle resources in the parent')
      return { afterFork: child.afterFork, firstAnswer: child.firstAnswer, newPool }
    },
    finish: () => pool.close(),
  }
}

async function fill(pool: ForkSafePool<object>, idle: number): Promise<void> {
  const leases = await Promise.all(Array.from({ length: idle }, () => pool.acquire()))
  for (const lease of leases) lease.release()
  expectEqual(pool.stats.idle, idle, 'idle resources before the fork')
}

async function timeNewPool(open: () => Asked): Promise<number> {
  const started = performance.now()
  const { pool, ask } = open()
  await ask()
  const took = performance.now() - started
  await pool.close()
  return took
}
