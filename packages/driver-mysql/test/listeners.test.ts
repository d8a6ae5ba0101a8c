import type { EventEmitter } from 'node:events'
import type { Duplex } from 'node:stream'
import type { Pool } from 'mysql2/promise'
import { describe, expect, test } from 'vitest'
import { createPool, type MysqlClient } from '../src/index.ts'
import { countsOf, openDropIn } from './support/drop-in.ts'
import { connectionTo, observe, openPool, sessionId, transports } from './support/pools.ts'

// A holder that removes listeners, as programs do before they release, does not take away those of the pool and of mysql2.

/** Every emitter that a holder can reach. */
const emitters = {
  'the connection with promises': (client: MysqlClient) => client as EventEmitter,
  'the connection with callbacks': ({ connection }: MysqlClient) => connection as EventEmitter,
  'its stream': ({ connection }: MysqlClient) => streamOf(connection),
}

function streamOf(connection: object): Duplex {
  return Reflect.get(connection, 'stream') as Duplex
}

const removals: Record<string, (on: EventEmitter) => void> = {
  'removeAllListeners()': (on) => void on.removeAllListeners(),
  'removeAllListeners() for each event': (on) => {
    for (const event of ['error', 'close', 'end', 'newListener']) on.removeAllListeners(event)
  },
  off: (on) => {
    for (const event of ['error', 'close', 'end']) {
      for (const listener of on.listeners(event)) on.off(event, listener as () => void)
    }
  },
}

describe.each(transports)('over %s', (transport) => {
  describe.each(Object.entries(emitters))('of %s', (_, emitterOf) => {
    describe.each(Object.entries(removals))('by `%s`', (_, remove) => {
      test('an idle connection that dies is replaced, and harms nobody', async () => {
        const pool = openPool(connectionTo({ transport }), { max: 1 })
        const id = await sessionId(pool)
        await pool.use((client) => remove(emitterOf(client)))
        const next = await sessionId(pool)
        await observe(`KILL ${next}`)
        await expect.poll(() => pool.stats.size).toBe(0)
        expect([id, next]).not.toContain(await sessionId(pool))
      })

      test('a connection that dies while it is lent is not lent again', async () => {
        const pool = openPool(connectionTo({ transport }), { max: 1 })
        const id = await sessionId(pool)
        await pool.use(async (client) => {
          // Without any listener, the end of a stream ends the process. That is the holder's doing.
          if (remove !== removals['off']) remove(emitterOf(client))
          await observe(`KILL ${id}`)
          await expect.poll(() => streamOf(client.connection).destroyed).toBe(true)
        })
        expect(await sessionId(pool)).not.toBe(id)
      })
    })
  })
})

describe('of the drop-in', () => {
  const open = (): Pool => openDropIn(createPool, { connectionLimit: 1 })

  test.each(Object.entries(removals))('by `%s`', async (_, remove) => {
    for (const part of ['promises', 'callbacks', 'stream'] as const) {
      const pool = open()
      const connection = await pool.getConnection()
      const on = {
        promises: connection as unknown as EventEmitter,
        callbacks: connection.connection as unknown as EventEmitter,
        stream: streamOf(connection.connection) as EventEmitter,
      }[part]
      remove(on)
      connection.release()
      const id = await sessionId(pool)
      await observe(`KILL ${id}`)
      await expect.poll(() => countsOf(pool)).toEqual([0, 0, 0])
      expect(await sessionId(pool)).not.toBe(id)
    }
  })

  test('a connection that died while it was lent is not lent again', async () => {
    const pool = open()
    const connection = await pool.getConnection()
    const id = await sessionId(connection)
    const stream = streamOf(connection.connection)
    const closed = new Promise((resolve) => stream.once('close', resolve))
    connection.connection.removeAllListeners()
    await observe(`KILL ${id}`)
    await closed
    connection.release()
    expect(await sessionId(pool)).not.toBe(id)
    expect(countsOf(pool)).toEqual([1, 1, 0])
  })
})

test('removes the listeners of a holder, and calls those of the next one', async () => {
  const pool = openPool(connectionTo(), { max: 1 })
  const told: string[] = []
  await pool.use((client) => {
    client.on('error', () => told.push('before'))
    client.connection.on('error', () => told.push('before'))
    client.removeAllListeners()
    client.connection.removeAllListeners('error')
  })
  await pool.use(async (client) => {
    client.on('error', () => told.push('after'))
    client.connection.emit('error', new Error('told'))
  })
  expect(told).toEqual(['after'])
})

test('the session that is left is as good as before', async () => {
  const pool = openPool(connectionTo(), { max: 1 })
  const id = await sessionId(pool)
  await pool.use(async (client) => {
    for (const emitterOf of Object.values(emitters)) emitterOf(client).removeAllListeners()
    expect(await sessionId(client)).toBe(id)
  })
  expect(await sessionId(pool)).toBe(id)
})
