// A program that prepares itself, then runs one query. It starts cold, or from a snapshot of the prepared program.
import { startupSnapshot } from 'node:v8'
import { createForkSafePool } from '@forksafe/core'
import { pgDriver } from '@forksafe/driver-pg'

const pool = createForkSafePool(pgDriver, {
  // A function is called in each process, with the environment of that process.
  connection: () => process.env.DATABASE_URL ?? '',
  min: 2,
})
const types = new Map<number, string>()

async function prepare(): Promise<void> {
  await pool.warmUp()
  const { rows } = await pool.query<{ oid: number; name: string }>(
    'select oid, typname as name from pg_type',
  )
  for (const { oid, name } of rows) types.set(oid, name)
}

async function answer(): Promise<void> {
  const { rows, fields } = await pool.query<{ session: number }>(
    'select pg_backend_pid() as session',
  )
  const type = types.get(fields[0]?.dataTypeID ?? 0)
  console.log(JSON.stringify({ ...rows[0], type, generation: pool.stats.generation }))
  await pool.close()
}

if (startupSnapshot.isBuildingSnapshot()) {
  startupSnapshot.setDeserializeMainFunction(() => void answer())
  void prepare()
} else {
  void prepare().then(answer)
}
