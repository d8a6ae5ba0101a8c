import { createForkSafePool } from '@forksafe/core'
import { pgDriver } from '@forksafe/driver-pg'

/** All hosts that may be the primary, with the current one first. */
const hosts = (process.env.DATABASE_URLS ?? '').split(',')

export const pool = createForkSafePool(pgDriver, { connection: () => hosts[0] ?? '' })

/** Runs a statement that writes. A host that is no longer the primary rejects it with 25006, without executing it. */
export async function write(text: string, values: unknown[]): Promise<void> {
  const { generation } = pool.stats
  try {
    await pool.query(text, values)
  } catch (error) {
    if ((error as { code?: string }).code !== '25006') throw error
    // Unless another caller has already left this host.
    if (pool.stats.generation === generation) {
      hosts.push(...hosts.splice(0, 1))
      pool.recycle()
    }
    await pool.query(text, values)
  }
}
