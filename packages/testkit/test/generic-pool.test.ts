import { createPool, type Factory, type Options, type Pool } from '@forksafe/core/generic-pool'
import { once } from 'node:events'
import type { Socket } from 'node:net'
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import { fork, inChild, type RecordingProxy, startRecordingProxy } from '../src/index.ts'
import { ask, connected, failure, startEchoServer } from './helpers.ts'

// `@forksafe/core/generic-pool` under real forks, with real sockets for its resources.

let server: Awaited<ReturnType<typeof startEchoServer>>
let proxy: RecordingProxy
beforeAll(async () => {
  server = await startEchoServer()
  proxy = await startRecordingProxy({ port: server.port })
})
afterAll(async () => {
  await proxy.stop()
  await server.stop()
})

/** A factory as for generic-pool, with `discard`. */
function socketsTo(port: number): Factory<Socket> {
  return {
    create: () => connected(port),
    async validate(socket) {
      return (await ask(socket, 'ping')) === 'ping'
    },
    async destroy(socket) {
      const closed = once(socket, 'close')
      socket.resume().end('goodbye')
      await closed
    },
    discard: (socket) => void socket.destroy(),
  }
}

function open(options: Options, factory: object = {}): Pool<Socket> {
  const pool = createPool({ ...socketsTo(proxy.port), ...factory }, options)
  onTestFinished(async () => {
    await pool.drain()
    await pool.clear()
  })
  return pool
}

/** Returns a function that returns what was sent since, by any process, on connections that are open now. */
async function strayFromNow(): Promise<() => Promise<unknown[]>> {
  const mark = await proxy.mark()
  return () => proxy.records({ since: mark, openedBefore: mark })
}

const echo = (pool: Pool<Socket>, text: string): Promise<string> =>
  pool.use((socket) => ask(socket, text))

describe.each([true, false])('in a child that calls afterFork(): %s', (afterFork) => {
  test('an idle resource stays with the parent, and the child opens its own', async () => {
    const pool = open({ min: 2, max: 2, testOnBorrow: true })
    await pool.ready()
    const strayBytes = await strayFromNow()
    const child = await inChild(
      async () => {
        const began = [pool.size, pool.available, pool.borrowed]
        return [began, await echo(pool, 'from the child')]
      },
      { afterFork },
    )
    expect(child).toEqual([[0, 0, 0], 'from the child'])
    expect(await strayBytes()).toEqual([])
    expect(await echo(pool, 'from the parent')).toBe('from the parent')
    expect(pool.size).toBe(2)
  })

  test('a lent resource keeps working in the parent, and fails in the child', async () => {
    const pool = open({ max: 1 })
    const lent = await pool.acquire()
    const strayBytes = await strayFromNow()
    const child = await inChild(
      async () => {
        const borrowed = pool.isBorrowedResource(lent)
        // The holder continues in both processes.
        await pool.release(lent)
        await pool.destroy(lent)
        return [borrowed, lent.destroyed, await echo(pool, 'from the child'), pool.size]
      },
      { afterFork },
    )
    expect(child).toEqual([false, true, 'from the child', 1])
    expect(await strayBytes()).toEqual([])
    expect(pool.isBorrowedResource(lent)).toBe(true)
    expect(await ask(lent, 'from the parent')).toBe('from the parent')
    await pool.release(lent)
    expect(pool.available).toBe(1)
  })

  test('a waiting caller is served in the parent, and rejects in the child', async () => {
    const pool = open({ max: 1 })
    const lent = await pool.acquire()
    let outcome = 'waiting'
    const waiting = pool.acquire().then(
      (socket) => {
        outcome = 'served'
        return pool.release(socket)
      },
      (error: Error) => {
        outcome = error.name
      },
    )
    const inTheChild = await inChild(
      async () => {
        await echo(pool, 'from the child')
        await waiting
        return outcome
      },
      { afterFork },
    )
    expect(inTheChild).toBe('StaleResourceError')
    await pool.release(lent)
    await waiting
    expect(outcome).toBe('served')
  })

  test("drain() and clear() end the child's resources, and do not wait for the parent's", async () => {
    const pool = open({ min: 1, max: 2 })
    const lent = await pool.acquire()
    const strayBytes = await strayFromNow()
    const left = await inChild(
      async () => {
        await echo(pool, 'from the child')
        await pool.drain()
        await pool.clear()
        return pool.size
      },
      { afterFork },
    )
    expect(left).toBe(0)
    expect(await strayBytes()).toEqual([])
    expect(await ask(lent, 'from the parent')).toBe('from the parent')
    await pool.release(lent)
  })
})

test('the evictor of the child ends nothing that its parent uses', async () => {
  const pool = open({
    min: 1,
    max: 2,
    idleTimeoutMillis: 20,
    evictionRunIntervalMillis: 10,
  })
  const lent = await pool.acquire()
  const strayBytes = await strayFromNow()
  const opened = await inChild(async () => {
    await echo(pool, 'from the child')
    // The evictor runs in the child: it replaces the child's own resource.
    const own = await pool.acquire()
    await pool.release(own)
    await once(own, 'close')
    return own.destroyed
  })
  expect(opened).toBe(true)
  expect(await strayBytes()).toEqual([])
  expect(await ask(lent, 'from the parent')).toBe('from the parent')
  await pool.release(lent)
})

test('concurrent requests of parent and children each get their own answer', async () => {
  const pool = open({ max: 2 })
  await Promise.all([echo(pool, 'warm'), echo(pool, 'warm')])
  const askMany = async (who: string): Promise<boolean> => {
    const texts = Array.from({ length: 50 }, (_, n) => `${who} ${n}`)
    const answers = await Promise.all(texts.map((text) => echo(pool, text)))
    return answers.every((answer, n) => answer === texts[n])
  }
  const children = [await fork(() => askMany('first')), await fork(() => askMany('second'))]
  expect(await askMany('parent')).toBe(true)
  expect(await Promise.all(children.map(({ result }) => result))).toEqual([true, true])
})

test('a factory without `discard` ends nothing in the child, and a warning is printed', async () => {
  let destroys = 0
  const factory = {
    discard: undefined,
    destroy: async (socket: Socket) => {
      destroys++
      socket.end()
    },
  }
  const pool = open({ max: 1 }, factory)
  const lent = await pool.acquire()
  const strayBytes = await strayFromNow()
  const child = await inChild(async () => {
    const warned = once(process, 'warning')
    const refused = await failure(pool.release({} as Socket))
    await pool.release(lent)
    const answer = await echo(pool, 'from the child')
    const [{ code }] = (await warned) as [{ code: string }]
    return { refused: (refused as Error).message, answer, code, destroys, open: !lent.destroyed }
  })
  expect(child).toEqual({
    refused: 'Resource not currently part of this pool',
    answer: 'from the child',
    code: 'FORKSAFE_NO_DISCARD',
    destroys: 0,
    open: true,
  })
  expect(await strayBytes()).toEqual([])
  expect(await ask(lent, 'from the parent')).toBe('from the parent')
  await pool.release(lent)
})
