import { inChild } from '@forksafe/testkit'
import { once } from 'node:events'
import { afterAll, describe, expect, onTestFinished, test } from 'vitest'
import { letGo, openQueue, openWorker, pool } from '../src/bullmq.ts'

describe('BullMQ beside the pool', () => {
  afterAll(() => pool.close())
  const idOf = (): Promise<number> => pool.use((redis) => redis.client('ID'))

  function openedQueue(name: string) {
    const opened = openQueue(name)
    onTestFinished(() => opened.close())
    return opened
  }

  test('a worker processes the jobs of the queue, in a transaction of the pool', async () => {
    const { queue } = openedQueue('transfers')
    await pool.mset('bull:ada', 100, 'bull:grace', 0)
    const { worker, close } = openWorker('transfers', async ({ data }) =>
      pool.use((redis) =>
        redis.multi().decrby('bull:ada', data.amount).incrby('bull:grace', data.amount).exec(),
      ),
    )
    onTestFinished(close)
    const done = once(worker, 'completed')
    await queue.add('transfer', { amount: 30 })
    await done
    expect(await pool.mget('bull:ada', 'bull:grace')).toEqual(['70', '30'])
    expect(pool.stats).toMatchObject({ borrowed: 0 })
  })

  test('a job is retried after a watched key ended its transaction', async () => {
    const { queue } = openedQueue('watched')
    await pool.set('bull:n', 1)
    const { worker, close } = openWorker('watched', ({ attemptsMade }) =>
      pool.use(async (redis) => {
        await redis.watch('bull:n')
        if (attemptsMade === 0) await pool.incr('bull:n')
        if ((await redis.multi().incrby('bull:n', 10).exec()) === null) throw new Error('changed')
      }),
    )
    onTestFinished(close)
    const done = once(worker, 'completed')
    await queue.add('add', {}, { attempts: 2 })
    await done
    expect(await pool.get('bull:n')).toBe('12')
  })

  test('a child has its own queue and pool, and the parent keeps both of its own', async () => {
    const { queue, connection } = openedQueue('forked')
    await queue.waitUntilReady()
    const before = { pool: await idOf(), queue: await connection.client('ID') }
    const child = await inChild(async () => {
      letGo(connection)
      const own = openQueue('forked')
      await own.queue.add('letter', { to: 'grace' })
      const ids = { pool: await idOf(), queue: await own.connection.client('ID') }
      await own.close()
      return ids
    })
    const all = [before.pool, before.queue, child.pool, child.queue]
    expect(new Set(all).size).toBe(4)
    expect({ pool: await idOf(), queue: await connection.client('ID') }).toEqual(before)
    await queue.add('letter', { to: 'ada' })
    const seen: unknown[] = []
    const { close } = openWorker('forked', async ({ data }) => void seen.push(data.to))
    onTestFinished(close)
    await expect.poll(() => seen).toEqual(['grace', 'ada'])
  })
})
