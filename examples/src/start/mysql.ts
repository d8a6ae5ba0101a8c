// #region pool
import { createForkSafePool } from '@forksafe/core'
import { mysqlDriver } from '@forksafe/driver-mysql'
import type { RowDataPacket } from 'mysql2'

export const pool = createForkSafePool(mysqlDriver, {
  connection: process.env.DATABASE_URL ?? 'mysql://root@localhost/app',
  max: 10,
})
// #endregion

// #region query
await pool.query('create table if not exists account (owner varchar(20) primary key, balance int)')
await pool.query('insert into account values (?, 100), (?, 100)', ['ann', 'bob'])

interface Account extends RowDataPacket {
  readonly balance: number
}
const [rows] = await pool.execute<Account[]>('select balance from account where owner = ?', ['ann'])
console.log(rows[0]?.balance) // 100
// #endregion

// #region transaction
await pool.transaction(
  async (client) => {
    await client.query('update account set balance = balance - 10 where owner = ?', ['ann'])
    await client.query('update account set balance = balance + 10 where owner = ?', ['bob'])
  },
  { retries: 3 }, // after a deadlock
)
// #endregion

// #region stream
let total = 0
for await (const account of pool.stream<Account>('select balance from account')) {
  total += account.balance // One row at a time, for results of any size.
}
console.log(total) // 200
// #endregion
