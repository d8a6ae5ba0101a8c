// #region pool
import { createForkSafePool } from '@forksafe/core'
import { pgDriver } from '@forksafe/driver-pg'

export const pool = createForkSafePool(pgDriver, {
  connection: process.env.DATABASE_URL ?? 'postgres://localhost/app',
  max: 10,
})
// #endregion

// #region query
await pool.query('create table if not exists account (owner text primary key, balance int)')
await pool.query('insert into account values ($1, 100), ($2, 100)', ['ann', 'bob'])

const { rows } = await pool.query<{ balance: number }>(
  'select balance from account where owner = $1',
  ['ann'],
)
console.log(rows[0]?.balance) // 100
// #endregion

// #region transaction
await pool.transaction(async (client) => {
  await client.query('update account set balance = balance - 10 where owner = $1', ['ann'])
  await client.query('update account set balance = balance + 10 where owner = $1', ['bob'])
})
// #endregion

// #region borrow
const { rows: sums } = await pool.use(async (client) => {
  await client.query("set statement_timeout = '2s'")
  try {
    return await client.query<{ total: string }>('select sum(balance) as total from account')
  } finally {
    await client.query('reset statement_timeout') // Settings stay with a connection.
  }
})
console.log(sums[0]?.total) // '200'
// #endregion
