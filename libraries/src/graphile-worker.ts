import { Pool } from '@forksafe/driver-pg'
import { makeWorkerUtils, runTaskListOnce, type TaskList } from 'graphile-worker'

export const pool = new Pool()
// graphile-worker warns if a pool lacks these two listeners, which this pool does not need.
pool.on('error', (error) => console.error(error.message))
pool.on('connect', (client) => client.on('error', () => undefined))

export const utils = await makeWorkerUtils({ pgPool: pool })

export async function workOff(tasks: TaskList): Promise<void> {
  const client = await pool.connect()
  try {
    await runTaskListOnce({ pgPool: pool }, tasks, client)
  } finally {
    client.release()
  }
}
