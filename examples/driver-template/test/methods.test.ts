import { createForkSafePool } from '@forksafe/core'
import { afterAll, expect, test } from 'vitest'
import { lineDriver } from '../src/index.ts'
import { startServer } from './server.ts'

// Tests of your own methods, which the suite does not know.

const server = await startServer()
afterAll(() => server.stop())

test('ask() uses a free connection', async () => {
  const connection = { host: '127.0.0.1', port: server.port, password: 'secret' }
  const pool = createForkSafePool(lineDriver, { connection, max: 2 })
  const asked = ['one', 'two', 'three'].map((word) => pool.ask(`echo ${word}`))
  expect(await Promise.all(asked)).toEqual(['one', 'two', 'three'])
  expect(pool.stats.size).toBe(2)
  await pool.close()
})
