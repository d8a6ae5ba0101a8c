import { expect, test } from 'vitest'
import { connectionTo, openPool } from './support/pools.ts'

// Rejections of the server are reported with the line of the program that sent the statement, as pg.Pool does.

test.each(['without a signal', 'with a signal'])(
  'the stack of a server error leads to the caller of query and transaction, %s',
  async (how) => {
    const pool = openPool(connectionTo(), { max: 1 })
    const options = how === 'with a signal' ? { signal: new AbortController().signal } : undefined
    async function queryCaller(): Promise<void> {
      await pool.query('SELECT nothing', [], options)
    }
    async function transactionCaller(): Promise<void> {
      await pool.transaction(async (client) => {
        await client.query('SELECT nothing')
      }, options)
    }
    for (const caller of [queryCaller, transactionCaller]) {
      const error: unknown = await caller().catch((error: unknown) => error)
      expect(error).toMatchObject({ code: '42703' })
      expect((error as Error).stack).toMatch(new RegExp(`at (async )?${caller.name} `))
    }
  },
)
