import { type Pool as PgPool, type PoolClient, Query, type QueryResult } from 'pg'
import { expectTypeOf, test } from 'vitest'
import { Pool } from '../src/index.ts'

const pool = new Pool()

test('is assignable to pg.Pool', () => {
  expectTypeOf<Pool>().toExtend<PgPool>()
  expectTypeOf(Pool).toExtend<typeof PgPool>()
  expectTypeOf(pool).toEqualTypeOf<Pool>()
})

test('accepts the arguments of a pg.Pool', () => {
  expectTypeOf(Pool).toBeConstructibleWith({ connectionString: 'postgres://', max: 3 })
  expectTypeOf(Pool).toBeConstructibleWith({ leakDetectionMillis: 1_000 })
  class Mine extends Pool {}
  expectTypeOf(new Mine({ max: 1 })).toExtend<PgPool>()
  // @ts-expect-error -- there is no such option
  void new Pool({ maximum: 3 })
})

test('can be disposed', async () => {
  expectTypeOf<Pool>().toExtend<AsyncDisposable>()
  await using mine = new Pool()
  expectTypeOf(mine.connect()).resolves.toEqualTypeOf<PoolClient>()
})

test('returns what a pg.Pool returns', () => {
  expectTypeOf(pool.connect()).resolves.toEqualTypeOf<PoolClient>()
  expectTypeOf(pool.query<{ n: number }>('SELECT 1 AS n')).resolves.toEqualTypeOf<
    QueryResult<{ n: number }>
  >()
  expectTypeOf(pool.query(new Query('SELECT 1'))).toEqualTypeOf<Query>()
  expectTypeOf(pool.end()).resolves.toEqualTypeOf<void>()
  expectTypeOf(pool.connect((error, client, done) => done(error ?? client))).toEqualTypeOf<void>()
})
