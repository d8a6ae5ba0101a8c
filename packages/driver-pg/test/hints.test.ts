import { createForkSafePool } from '@forksafe/core'
import { describe, expect, onTestFinished, test } from 'vitest'
import * as driverPg from '../src/index.ts'
import { pgDriver, pgDriverWith, type PgConnection } from '../src/index.ts'
import { connectionTo, openPool } from './support/pools.ts'

const create = createForkSafePool as (driver: unknown, options: unknown) => unknown

test.each(['host', 'user', 'password', 'connectionString', 'database', 'ssl'])(
  "pg's configuration in place of the options is sent to `connection`: %s",
  (option) => {
    expect(() => create(pgDriver, { [option]: 'x' })).toThrow('put it in `connection`')
  },
)

describe('an option of the pool in `connection`', () => {
  const misplaced: [string, string][] = [
    ['max', 'it is an option of the pool, so put it next to `connection`'],
    ['min', 'it is an option of the pool, so put it next to `connection`'],
    ['idleTimeoutMillis', 'it is an option of the pool, so put it next to `connection`'],
    ['allowExitOnIdle', 'it is an option of the pool, so put it next to `connection`'],
    ['acquireTimeoutMillis', 'it is an option of the pool, so put it next to `connection`'],
    ['maxLifetimeSeconds', 'did you mean `maxLifetimeMillis`?'],
    ['onConnect', 'it has no effect there.'],
  ]
  test.each(misplaced)('is refused when the pool is created: %s', (option, advice) => {
    const connection = { ...connectionTo(), [option]: 5 }
    expect(() => createForkSafePool(pgDriver, { connection })).toThrow(TypeError)
    expect(() => createForkSafePool(pgDriver, { connection })).toThrow(
      `Expected no \`${option}\` in \`connection\``,
    )
    expect(() => createForkSafePool(pgDriver, { connection })).toThrow(advice)
    expect(() =>
      createForkSafePool(pgDriverWith({ resetQuery: 'RESET ALL' }), { connection }),
    ).toThrow(advice)
  })

  test.each(misplaced)(
    'is refused by the first create if a function returns it: %s',
    async (option) => {
      const pool = createForkSafePool(pgDriver, {
        connection: () => ({ ...connectionTo(), [option]: 5 }),
      })
      onTestFinished(() => pool.close())
      await expect(pool.warmUp()).rejects.toThrow(`Expected no \`${option}\` in \`connection\``)
    },
  )

  test('is treated as absent if it is undefined, and pg’s own options are passed on', async () => {
    const connection = { ...connectionTo(), max: undefined, connectionTimeoutMillis: 5_000 }
    const pool = openPool({ ...connection, query_timeout: 5_000, application_name: 'shop' })
    const { rows } = await pool.query("SELECT current_setting('application_name') AS name")
    expect(rows).toEqual([{ name: 'shop' }])
  })
})

test('`pgDriverWith` must be called, and a driver taken out of its module', () => {
  expect(() => create(pgDriverWith, {})).toThrow('call `pgDriverWith({ … })`')
  expect(() => create(driverPg, {})).toThrow('got a module: pass its `pgDriver`')
  expect(() => create({ ...driverPg }, {})).toThrow('got a module: pass its `pgDriver`')
})

test('`connection` may be a `URL`, also from a function', async () => {
  const { host, port, user, password, database } = connectionTo()
  const url = new URL(`postgres://${host}:${port}/${database}`)
  url.username = user ?? ''
  url.password = typeof password === 'string' ? password : ''
  for (const connection of [url, () => url] satisfies (PgConnection | (() => PgConnection))[]) {
    const pool = openPool(connection)
    expect((await pool.query('SELECT 1 AS one')).rows).toEqual([{ one: 1 }])
  }
})
