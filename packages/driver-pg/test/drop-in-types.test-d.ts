import { type Pool as PgPool, type PoolClient, Query, type QueryResult } from 'pg'
import { expectTypeOf, test } from 'vitest'
import { Pool } from '../src/index.ts'

const pool = new Pool()

test('goes where a pg.Pool goes', () => {
  expectTypeOf<Pool>().toEqualTypeOf<PgPool>()
  expectTypeOf(Pool).toEqualTypeOf<typeof PgPool>()
  expectTypeOf(pool).toEqualTypeOf<PgPool>()
})

test('takes what a pg.Pool takes', () => {
  expectTypeOf(Pool).toBeConstructibleWith({ connectionString: 'postgres://', max: 3 })
  // @ts-expect-error -- there is no such option
  void new Pool({ maximum: 3 })
})

test('gives what a pg.Pool gives', () => {
  expectTypeOf(pool.connect()).resolves.toEqualTypeOf<PoolClient>()
  expectTypeOf(pool.query<{ n: number }>('SELECT 1 AS n')).resolves.toEqualTypeOf<
    QueryResult<{ n: number }>
  >()
  expectTypeOf(pool.query(new Query('SELECT 1'))).toEqualTypeOf<Query>()
  expectTypeOf(pool.end()).resolves.toEqualTypeOf<void>()
  expectTypeOf(pool.connect((error, client, done) => done(error ?? client))).toEqualTypeOf<void>()
})
