import type { Pool, PoolConnection } from 'mysql2/promise'
import { expect, test } from 'vitest'
import { createPool } from '../src/index.ts'
import { openDropIn, pools } from './support/drop-in.ts'

// Where the stacks of mysql2's pool lead to the caller, so do those of the drop-in.

async function stackOf(call: () => Promise<unknown>): Promise<string> {
  const error: unknown = await call().then(
    () => undefined,
    (error: unknown) => error,
  )
  expect(error).toBeInstanceOf(Error)
  return String((error as Error).stack)
}

const calls: Record<string, (on: Pool | PoolConnection) => Promise<void>> = {
  query: async function queryCaller(on) {
    await on.query('SELECT nothing')
  },
  execute: async function executeCaller(on) {
    await on.execute('SELECT nothing')
  },
}

test.each(
  pools.flatMap(([name, create]) =>
    Object.keys(calls).map((verb) => [name, verb, create] as const),
  ),
)('in %s, the stack of a server error leads to the caller of %s', async (_, verb, create) => {
  const pool = openDropIn(create, { connectionLimit: 1 })
  const call = calls[verb] as (on: Pool | PoolConnection) => Promise<void>
  const reachesCaller = new RegExp(`at (async )?${call.name} `)
  expect(await stackOf(() => call(pool))).toMatch(reachesCaller)
  const connection = await pool.getConnection()
  expect(await stackOf(() => call(connection))).toMatch(reachesCaller)
  connection.release()
})

test.each(pools)(
  'in %s, the stack of a failed connect leads to the caller of query',
  async (_, create) => {
    const pool = openDropIn(create, { host: '127.0.0.1', port: 1 })
    async function queryCaller(): Promise<void> {
      await pool.query('SELECT 1')
    }
    expect(await stackOf(queryCaller)).toMatch(/at (async )?queryCaller /)
  },
)

test('the stack of a failed connect during an outage leads to the caller of query', async () => {
  const pool = openDropIn(createPool, { host: '127.0.0.1', port: 1 })
  async function queryCaller(): Promise<void> {
    await pool.query('SELECT 1')
  }
  for (let i = 0; i < 8; i++) expect(await stackOf(queryCaller)).toMatch(/at (async )?queryCaller /)
})
