import type { EventEmitter } from 'node:events'
import { Pool as PgPool, type Client, type PoolClient } from 'pg'
import Cursor from 'pg-cursor'
import { describe, expect, test } from 'vitest'
import { Pool } from '../src/index.ts'
import { openPool as openDropIn } from './support/drop-in.ts'
import { backendPid, connectionTo, observe, openPool, transports } from './support/pools.ts'

// What a holder does to the listeners of a client must not keep the pool from noticing its end. An `error` without a listener would
// end this process, so vitest fails the test.

type Held = Client | PoolClient

interface Rig {
  acquire(): Promise<{ client: Held; release: () => void }>
  /** How many clients there are. */
  size(): number
}

function rigOfPool(transport: (typeof transports)[number] = 'plain'): Rig {
  const pool = openPool(connectionTo({ transport }), { max: 1 })
  return {
    async acquire() {
      const lease = await pool.acquire()
      return { client: lease.resource, release: () => lease.release() }
    },
    size: () => pool.stats.size,
  }
}

function rigOfDropIn(transport: (typeof transports)[number] = 'plain'): Rig {
  const pool = openDropIn(Pool, { max: 1, ...connectionTo({ transport }) })
  return {
    async acquire() {
      const client = await pool.connect()
      return { client, release: () => client.release() }
    },
    size: () => pool.totalCount,
  }
}

const rigs = transports.flatMap((transport): [string, () => Rig][] => [
  [`the pool, over ${transport}`, () => rigOfPool(transport)],
  [`the drop-in, over ${transport}`, () => rigOfDropIn(transport)],
])

const emitters: [string, (client: Held) => EventEmitter][] = [
  ['the client', (client) => client],
  ['its connection', (client) => client.connection],
  ['its socket', (client) => client.connection.stream],
]

const removals: [string, (emitter: EventEmitter) => void][] = [
  ['all', (emitter) => emitter.removeAllListeners()],
  ['those of `error`', (emitter) => emitter.removeAllListeners('error')],
  ['those of `undefined`', (emitter) => emitter.removeAllListeners(undefined)],
  [
    'those of each event',
    (emitter) => {
      for (const event of emitter.eventNames()) emitter.removeAllListeners(event)
    },
  ],
]

async function endBackend(client: Held): Promise<void> {
  await observe('SELECT pg_terminate_backend($1)', [processIdOf(client)])
}

function processIdOf(client: Held): number {
  return (client as unknown as { processID: number }).processID
}

async function expectAnother(rig: Rig, before: Held): Promise<void> {
  const { client, release } = await rig.acquire()
  expect(client).not.toBe(before)
  expect((await client.query('SELECT 1 AS one')).rows).toEqual([{ one: 1 }])
  release()
}

describe.each(rigs)('%s', (_, open) => {
  describe.each(emitters)('whose holder removes listeners of %s,', (_, emitterOf) => {
    test.each(removals)('%s, works on', async (_, remove) => {
      const rig = open()
      const { client, release } = await rig.acquire()
      remove(emitterOf(client))
      expect((await client.query('SELECT 1 AS one')).rows).toEqual([{ one: 1 }])
      release()
      const again = await rig.acquire()
      expect(again.client).toBe(client)
      expect((await client.query('SELECT 2 AS two')).rows).toEqual([{ two: 2 }])
      again.release()
    })

    test.each(removals)('%s, replaces the client that dies while it is idle', async (_, remove) => {
      const rig = open()
      const { client, release } = await rig.acquire()
      remove(emitterOf(client))
      release()
      await endBackend(client)
      await expect.poll(() => rig.size()).toBe(0)
      await expectAnother(rig, client)
    })

    test.each(removals)(
      '%s, never lends a client again that died while it was lent',
      async (_, remove) => {
        const rig = open()
        const { client, release } = await rig.acquire()
        remove(emitterOf(client))
        await endBackend(client)
        await expect.poll(() => client.connection.stream.destroyed).toBe(true)
        release()
        await expectAnother(rig, client)
      },
    )

    test('one by one, replaces the client when it comes back', async () => {
      const rig = open()
      const { client, release } = await rig.acquire()
      const emitter = emitterOf(client)
      for (const listener of emitter.listeners('error')) emitter.off('error', listener as never)
      release()
      await expectAnother(rig, client)
    })
  })

  test.each<[string, (client: Held) => unknown]>([
    ['was ended', (client) => client.end()],
    ['is ending', (client) => void client.end()],
    ['has a socket that was destroyed', (client) => client.connection.stream.destroy()],
    ['has a socket that is ending', (client) => client.connection.stream.end()],
    ['has seen an error', (client) => Object.assign(client, { _queryable: false })],
    ['failed with an error', (client) => client.connection.emit('error', new Error('mine'))],
  ])('never lends a client that %s', async (_, spoil) => {
    const rig = open()
    const { client, release } = await rig.acquire()
    client.removeAllListeners()
    await spoil(client)
    release()
    await expectAnother(rig, client)
  })
})

describe.each(rigs)('%s', (_, open) => {
  test.each<[string, (client: Held) => unknown]>([
    ['is ending', (client) => void client.end()],
    ['has a socket that was destroyed', (client) => client.connection.stream.destroy()],
    ['has a socket that is ending', (client) => client.connection.stream.end()],
    ['has seen an error', (client) => Object.assign(client, { _queryable: false })],
  ])('never lends an idle client that %s, in the same turn', async (_, spoil) => {
    const rig = open()
    const { client, release } = await rig.acquire()
    release()
    spoil(client)
    await expectAnother(rig, client)
  })
})

test('what a holder listens by goes by `removeAllListeners`, and nothing else', async () => {
  const pool = openPool(connectionTo(), { max: 1 })
  await pool.use(async (client) => {
    const heard: string[] = []
    client.on('notice', () => heard.push('removed'))
    client.once('notice', () => heard.push('removed'))
    expect(client.removeAllListeners('notice')).toBe(client)
    client.on('notice', () => heard.push('kept'))
    client.removeAllListeners('notification')
    await client.query("DO $$ BEGIN RAISE NOTICE 'listen'; END $$")
    expect(heard).toEqual(['kept'])
  })
})

test('a transaction that its work ends is noticed, whatever listeners that has removed', async () => {
  const pool = openPool(connectionTo(), { max: 1 })
  const work = pool.transaction(async (client) => {
    client.connection.removeAllListeners()
    await client.query('COMMIT')
    await client.query('BEGIN')
  })
  await expect(work).rejects.toMatchObject({ name: 'TransactionEndedError' })
})

test('an open cursor continues although listeners of the client are removed', async () => {
  const pool = openPool(connectionTo(), { max: 1 })
  const pid = await backendPid(pool)
  const rows = await pool.use(async (client) => {
    const cursor = client.query(new Cursor<{ n: number }>('SELECT generate_series(1, 3) AS n'))
    const first = await cursor.read(2)
    client.removeAllListeners()
    return [...first, ...(await cursor.read(2))]
  })
  expect(rows).toEqual([{ n: 1 }, { n: 2 }, { n: 3 }])
  expect(await backendPid(pool)).toBe(pid)
})

test('the drop-in removes no listener of a holder that its `connect` event has added', async () => {
  for (const Class of [PgPool, Pool]) {
    const pool = openDropIn(Class, { max: 1 })
    const heard: unknown[] = []
    pool.on('connect', (client) => client.on('notice', ({ message }) => heard.push(message)))
    for (const notice of ['first', 'second']) {
      const client = await pool.connect()
      await client.query(`DO $$ BEGIN RAISE NOTICE '${notice}'; END $$`)
      client.release()
    }
    expect(heard).toEqual(['first', 'second'])
  }
})
