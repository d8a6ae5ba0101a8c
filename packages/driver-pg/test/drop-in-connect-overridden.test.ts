// oxlint-disable typescript/unbound-method -- every `connect` is called with its pool
import type { Pool as PgPool, PoolClient } from 'pg'
import { describe, expect, test } from 'vitest'
import { Pool } from '../src/index.ts'
import { errorOf, openPool, pools } from './support/drop-in.ts'

type Callback = (error?: Error, client?: PoolClient, done?: (error?: Error) => void) => void
type Connect = (callback?: Callback) => unknown

// Subclasses and tracers, such as @opentelemetry/instrumentation-pg, replace `connect` and count on pg-pool's ways.

/** Calls `original` by callback, and requires a callback. */
function byCallback(original: Connect, calls: string[]): Connect {
  return function (this: unknown, callback) {
    calls.push('connect')
    return original.call(this, (error, client, done) => {
      calls.push('connected')
      ;(callback as Callback)(error, client, done)
    })
  }
}

/** As a tracer does: it serves both styles. */
function byEither(original: Connect, calls: string[]): Connect {
  return function (this: unknown, callback) {
    calls.push('connect')
    if (callback === undefined) {
      return Promise.resolve(original.call(this)).finally(() => calls.push('connected'))
    }
    return original.call(this, (...given) => {
      calls.push('connected')
      callback(...given)
    })
  }
}

/** An async function that passes the callback on: it returns a promise of nothing. */
function byAsyncCallback(original: Connect, calls: string[]): Connect {
  return async function (this: unknown, callback) {
    calls.push('connect')
    await Promise.resolve()
    return original.call(
      this,
      callback &&
        ((...given) => {
          calls.push('connected')
          callback(...given)
        }),
    )
  }
}

/** Ignores the callback. */
function byPromise(original: Connect, calls: string[]): Connect {
  return async function (this: unknown) {
    calls.push('connect')
    const client = await original.call(this)
    calls.push('connected')
    return client
  }
}

/** Calls the callback and returns a promise of the same client. */
function byBoth(original: Connect, calls: string[]): Connect {
  return async function (this: unknown, callback) {
    calls.push('connect')
    const client = (await original.call(this)) as PoolClient
    calls.push('connected')
    callback?.(undefined, client, client.release.bind(client))
    return client
  }
}

const both = [byCallback, byEither, byAsyncCallback].map((wrap) => [wrap.name, wrap] as const)
// pg-pool's `query` never settles over these two.
const own = [byPromise, byBoth].map((wrap) => [wrap.name, wrap] as const)

function subclass(Class: typeof PgPool, wrap: typeof byCallback, calls: string[]): typeof PgPool {
  class Mine extends Class {}
  Object.assign(Mine.prototype, { connect: wrap(Class.prototype.connect as Connect, calls) })
  return Mine
}

const cases = [
  ...pools.flatMap(([name, Class]) => both.map(([of, wrap]) => [name, Class, of, wrap] as const)),
  ...own.map(([of, wrap]) => ['the drop-in', Pool as typeof PgPool, of, wrap] as const),
]

describe.each(cases)('%s with a `connect` overridden %3$s', (_, Class, __, wrap) => {
  test('in a subclass: `query` calls it, by promise and by callback', async () => {
    const calls: string[] = []
    const pool = openPool(subclass(Class, wrap, calls), { max: 1 })
    expect((await pool.query('SELECT 1 AS one')).rows).toEqual([{ one: 1 }])
    const rows = await new Promise((resolve, reject) => {
      pool.query('SELECT 2 AS two', (error, result) =>
        (error as unknown) ? reject(error) : resolve(result.rows),
      )
    })
    expect(rows).toEqual([{ two: 2 }])
    expect(calls).toEqual(['connect', 'connected', 'connect', 'connected'])
    expect(pool).toMatchObject({ totalCount: 1, idleCount: 1 })
  })

  test('on the pool itself: `query` calls it', async () => {
    const calls: string[] = []
    const pool = openPool(Class, { max: 1 })
    Object.assign(pool, { connect: wrap(pool.connect as Connect, calls) })
    expect((await pool.query('SELECT 1 AS one')).rows).toEqual([{ one: 1 }])
    await errorOf(pool.query('SELECT nothing'))
    expect((await pool.query('SELECT 1 AS one')).rows).toEqual([{ one: 1 }])
    expect(calls.filter((call) => call === 'connect')).toHaveLength(3)
  })

  test('`query` rejects with the error of a failed connect', async () => {
    const pool = openPool(subclass(Class, wrap, []), { host: '127.0.0.1', port: 1 })
    expect(await errorOf(pool.query('SELECT 1'))).toMatchObject({ code: 'ECONNREFUSED' })
    const error = await new Promise((resolve) => void pool.query('SELECT 1', resolve as never))
    expect(error).toMatchObject({ code: 'ECONNREFUSED' })
  })
})

test('a `connect` that throws rejects the query', async () => {
  class Mine extends Pool {}
  Object.assign(Mine.prototype, {
    connect() {
      throw new Error('no connection today')
    },
  })
  const error = await errorOf(openPool(Mine).query('SELECT 1'))
  expect(error.message).toBe('no connection today')
})
