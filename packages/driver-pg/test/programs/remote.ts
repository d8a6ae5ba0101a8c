import { createForkSafePool, type Lease, type PoolEvents } from '@forksafe/core'
import { pgDriver } from '@forksafe/driver-pg'
import pg from 'pg'
import { runInThisContext } from 'node:vm'

// A program with a pool, that does what a test tells it to.

/** What has come of a promise. It is told to another process, so an error is told by its name. */
export type Outcome = { value: unknown } | { error: string; message: string }

/** What a test's function is given in this process. */
export interface Remote {
  pool: ReturnType<typeof openPool>
  /** The peer, with the same sessions to lose. */
  peer: pg.Pool
  changes: PoolEvents['processChange'][0][]
  /** Kept from one function of the test to the next. */
  lease: Lease<pg.Client> | undefined
  outcome: Promise<Outcome> | undefined
  readonly settled: (promise: Promise<unknown>) => Promise<Outcome>
  readonly pidOf: (client: {
    query(text: string): Promise<pg.QueryResult<{ pid: number }>>
  }) => Promise<number>
}

export interface RemoteSettings {
  connection: pg.ClientConfig
  options: object
}

const settings = JSON.parse(process.argv[2] ?? '') as RemoteSettings

function openPool({ connection, options }: RemoteSettings) {
  return createForkSafePool(pgDriver, { connection, ...options })
}

const remote: Remote = {
  pool: openPool(settings),
  peer: new pg.Pool({ ...settings.connection, max: 3 }),
  changes: [],
  lease: undefined,
  outcome: undefined,
  settled: (promise) =>
    promise.then(
      (value) => ({ value }),
      ({ name, message }: Error) => ({ error: name, message }),
    ),
  pidOf: async (client) => {
    const { rows } = await client.query('SELECT pg_backend_pid() AS pid')
    return rows[0]?.pid ?? 0
  },
}
remote.pool.on('processChange', (change) => remote.changes.push(change))

process.on(
  'message',
  ({ id, source, argument }: { id: number; source: string; argument: unknown }) => {
    const work = runInThisContext(`(${source})`) as (remote: Remote, argument: unknown) => unknown
    void remote
      .settled(Promise.resolve().then(() => work(remote, argument)))
      .then((outcome) => process.send?.({ id, outcome }))
  },
)
// Nobody is left to be told.
process.on('disconnect', () => process.exit())
