import { createForkSafePool } from '@forksafe/core'
import { pgDriver } from '@forksafe/driver-pg'

let password = process.env.PGPASSWORD ?? ''
let rotation = Promise.resolve()

export const pool = createForkSafePool(pgDriver, {
  // PGHOST, PGUSER and other variables contain the address. New connections wait for the end of a rotation.
  connection: async () => {
    await rotation
    return { password }
  },
})

/** Rotates the password without errors for callers. `change` changes it on the server, and returns the new one. */
export async function rotate(change: () => Promise<string>): Promise<void> {
  const changing = change().then((changed) => {
    password = changed
  })
  rotation = changing.catch(() => undefined) // The old one is still valid.
  await changing
  pool.recycle()
}
