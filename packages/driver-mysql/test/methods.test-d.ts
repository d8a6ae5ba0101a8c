import { createForkSafePool } from '@forksafe/core'
import type { ResultSetHeader, RowDataPacket } from 'mysql2'
import { expectTypeOf, test } from 'vitest'
import { type MysqlClient, mysqlDriver } from '../src/index.ts'

test('the methods return what mysql2 returns', () => {
  const pool = createForkSafePool(mysqlDriver, { connection: 'mysql://127.0.0.1/shop' })
  const ask = async () => {
    const [rows] = await pool.query('SELECT 1')
    expectTypeOf(rows).toEqualTypeOf<RowDataPacket[]>()
    const [{ insertId }] = await pool.execute<ResultSetHeader>('INSERT INTO t VALUES (?)', [1])
    expectTypeOf(insertId).toEqualTypeOf<number>()
    for await (const row of pool.stream('SELECT 1')) expectTypeOf(row).toExtend<RowDataPacket>()
    expectTypeOf(await pool.transaction(() => 'done')).toEqualTypeOf<string>()
    await pool.use((client) => expectTypeOf(client).toEqualTypeOf<MysqlClient>())
  }
  expectTypeOf(ask).toBeFunction()
})
