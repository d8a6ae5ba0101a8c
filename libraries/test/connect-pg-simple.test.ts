import { inChild } from '@forksafe/testkit'
import type { SessionData } from 'express-session'
import { promisify } from 'node:util'
import { afterAll, describe, expect, test } from 'vitest'
import { pool, store } from '../src/connect-pg-simple.ts'
import { sessionOf } from './support/accounts.ts'

describe('connect-pg-simple', () => {
  afterAll(async () => {
    store.close()
    await pool.end()
  })

  const cookie = { originalMaxAge: 60_000 }
  const set = (id: string, user: string): Promise<void> =>
    promisify((done: (error?: unknown) => void) =>
      store.set(id, { cookie, user } as unknown as SessionData, done),
    )()
  const get = async (id: string): Promise<unknown> => {
    const found = promisify((done: (error: unknown, session?: SessionData | null) => void) =>
      store.get(id, done),
    )
    return (await found()) ?? undefined
  }

  test('keeps a session', async () => {
    await set('first', 'ada')
    expect(await get('first')).toEqual({ cookie, user: 'ada' })
    expect(await get('missing')).toBeUndefined()
  })

  test('sees committed changes of a transaction, and not those that were rolled back', async () => {
    const client = await pool.connect()
    for (const [end, left] of [
      ['ROLLBACK', 1],
      ['COMMIT', 0],
    ] as const) {
      await client.query('BEGIN')
      await client.query("DELETE FROM session WHERE sid = 'first'")
      expect(await get('first')).toBeDefined()
      await client.query(end)
      expect([await get('first')].filter(Boolean)).toHaveLength(left)
    }
    client.release()
  })

  test('a child keeps sessions on its own connection', async () => {
    const parent = await sessionOf(pool)
    const child = await inChild(async () => {
      await set('second', 'grace')
      return { session: await get('second'), pid: await sessionOf(pool) }
    })
    expect(child.session).toEqual({ cookie, user: 'grace' })
    expect(child.pid).not.toBe(parent)
    expect(await get('second')).toEqual({ cookie, user: 'grace' })
  })
})
