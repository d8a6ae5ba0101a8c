import { Redis } from 'ioredis'
import { expect, onTestFinished, test } from 'vitest'
import { connectionTo, openPool } from './support/pools.ts'

// The stack of a rejection leads to the caller of the method, as far as ioredis's own does.

async function stackOf(call: () => Promise<unknown>): Promise<string> {
  const error: unknown = await call().then(
    () => undefined,
    (error: unknown) => error,
  )
  expect(error).toBeInstanceOf(Error)
  return String((error as Error).stack)
}

const reachesCaller = /at (async )?methodCaller /

test('the stack of a server error leads to the caller with `showFriendlyErrorStack`', async () => {
  const connection = { ...connectionTo(), showFriendlyErrorStack: true }
  const client = new Redis(connection)
  onTestFinished(() => client.disconnect())
  const pool = openPool(connection, { max: 1 })
  for (const redis of [client, pool]) {
    await redis.set('stacks', 'text')
    async function methodCaller(): Promise<void> {
      await redis.incr('stacks')
    }
    const stack = await stackOf(methodCaller)
    expect(stack).toMatch(/^ReplyError: /)
    expect(stack).toMatch(reachesCaller)
  }
})

test('the stack of an error of the pool leads to the caller', async () => {
  const pool = openPool(connectionTo(), { max: 1, acquireTimeoutMillis: 50 })
  async function methodCaller(): Promise<void> {
    await pool.incr('stacks')
  }
  const lease = await pool.acquire()
  expect(await stackOf(methodCaller)).toMatch(reachesCaller)
  lease.release()
  await pool.close()
  expect(await stackOf(methodCaller)).toMatch(reachesCaller)
  const refused = openPool({ ...connectionTo(), password: 'wrong', username: 'nobody' })
  async function createCaller(): Promise<void> {
    await refused.getBuffer('stacks')
  }
  expect(await stackOf(createCaller)).toMatch(/^CreateError: [^]*at (async )?createCaller /)
})
