import { createForkSafePool } from '@forksafe/core'
import { pgDriver } from '@forksafe/driver-pg'

let password = process.env.PGPASSWORD ?? ''
let rotation = Promise.resolve()

export const pool = createForkSafePool(pgDriver, {
  // Where, and as whom, say PGHOST, PGUSER and their like. Whoever connects during a rotation waits for its end.
  connection: async () => {
    await rotation
    return { password }
  },
})

/** `change` changes the password on the server, and gives the new one. Nobody sees an error. */
export async function rotate(change: () => Promise<string>): Promise<void> {
  const changing = change().then((changed) => {
    password = changed
  })
  rotation = changing.catch(() => undefined) // The old one is still good.
  await changing
  pool.recycle()
}
