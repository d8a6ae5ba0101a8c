import { createForkSafePool } from '@forksafe/core'
import { pgDriver } from '@forksafe/driver-pg'
import { readFile } from 'node:fs/promises'

/** Returns the provider's token, which is valid for some minutes, or a password that is rotated. */
async function token(): Promise<string> {
  return process.env.DATABASE_PASSWORD ?? ''
}

// #region tls
export const pool = createForkSafePool(pgDriver, {
  connection: async () => ({
    host: process.env.DATABASE_HOST,
    port: Number(process.env.DATABASE_PORT),
    user: process.env.DATABASE_USER,
    database: process.env.DATABASE_NAME,
    password: await token(), // called before every connect
    ssl: { ca: await readFile(process.env.DATABASE_CA ?? '', 'utf8') },
  }),
})
// #endregion
