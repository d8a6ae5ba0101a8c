import { createForkSafePool } from '@forksafe/core'
import { expect, test } from 'vitest'
import { mysqlDriver } from '../src/index.ts'
import { connectionTo, openPool } from './support/pools.ts'

test.each([
  ['max', 'put it next to `connection`'],
  ['connectionLimit', 'did you mean `max`?'],
  ['queueLimit', 'did you mean `maxWaitingClients`?'],
  ['waitForConnections', 'did you mean `maxWaitingClients`?'],
  ['idleTimeout', 'did you mean `idleTimeoutMillis`?'],
])('an option of the pool in `connection` is refused: %s', (option, advice) => {
  const connection = { ...connectionTo(), [option]: 5 }
  const create = (): unknown => createForkSafePool(mysqlDriver, { connection })
  expect(create).toThrow(`Expected no \`${option}\` in \`connection\``)
  expect(create).toThrow(advice)
})

test('`connection` may be a `URL`, and its statements can be cancelled', async () => {
  const { host, port, user, password, database } = connectionTo()
  const url = new URL(`mysql://${host}:${port}/${database ?? ''}`)
  url.username = user ?? ''
  url.password = password ?? ''
  const pool = openPool(url)
  const [rows] = await pool.query('SELECT 1 AS one')
  expect(rows).toEqual([{ one: 1 }])
  const signal = AbortSignal.timeout(100)
  const cancelled = pool.query('SELECT SLEEP(20)', [], { signal })
  await expect(cancelled).rejects.toHaveProperty('name', 'TimeoutError')
  const [again] = await pool.query('SELECT 1 AS one')
  expect(again).toEqual([{ one: 1 }])
})
