import type { Pool as CallbackPool, ResultSetHeader, RowDataPacket } from 'mysql2'
import type { FieldPacket, Pool, PoolConnection, createPool as theirs } from 'mysql2/promise'
import { expectTypeOf, test } from 'vitest'
import { createPool } from '../src/index.ts'

const pool = createPool({})

test('goes where a pool of mysql2/promise goes', () => {
  expectTypeOf(createPool).toEqualTypeOf<typeof theirs>()
  expectTypeOf(pool).toEqualTypeOf<Pool>()
  expectTypeOf(pool.pool).toEqualTypeOf<CallbackPool>()
})

test('accepts the same arguments', () => {
  expectTypeOf(createPool('mysql://')).toEqualTypeOf<Pool>()
  expectTypeOf(createPool({ uri: 'mysql://', connectionLimit: 3 })).toEqualTypeOf<Pool>()
  // @ts-expect-error -- there is no such option
  void createPool({ limit: 3 })
})

test('returns the same types', () => {
  expectTypeOf(pool.getConnection()).resolves.toEqualTypeOf<PoolConnection>()
  expectTypeOf(pool.query<RowDataPacket[]>('SELECT 1')).resolves.toEqualTypeOf<
    [RowDataPacket[], FieldPacket[]]
  >()
  expectTypeOf(pool.execute<ResultSetHeader>('DO 0')).resolves.toEqualTypeOf<
    [ResultSetHeader, FieldPacket[]]
  >()
  expectTypeOf(pool.end()).resolves.toEqualTypeOf<void>()
})
