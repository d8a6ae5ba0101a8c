import { createForkSafePool } from '@forksafe/core'
import { pgDriver } from '@forksafe/driver-pg'
import { pgBouncerSupported, startPgBouncer } from '@forksafe/scripts/pgbouncer'
import { startPostgres } from '@forksafe/scripts/postgres'
import { Client } from 'pg'
import { expect, onTestFinished, test } from 'vitest'
import { pgBouncerSettings } from '../src/fleet.ts'

const fleet = { workers: 6, max: 3, bouncers: 2, pairs: 1, sessions: 5 }

// The timeout includes the installation of PgBouncer.
test(
  'the planned number of workers can fill every pool without filling the server',
  { timeout: 120_000 },
  async ({ skip }) => {
    const support = await pgBouncerSupported()
    if (!support.supported) skip(support.reason)
    const { max_client_conn: clients, default_pool_size: size } = pgBouncerSettings(fleet)
    expect({ clients, size }).toEqual({ clients: 18, size: 2 })

    const places = { max_connections: '9', superuser_reserved_connections: '3' }
    const server = await startPostgres({ own: true, roles: { app: 'secret' }, settings: places })
    onTestFinished(() => server.stop())
    const bouncers = await Promise.all(
      Array.from({ length: fleet.bouncers }, () =>
        startPgBouncer({
          server,
          mode: 'transaction',
          roles: { app: 'secret' },
          settings: { max_client_conn: String(clients), default_pool_size: String(size) },
        }),
      ),
    )
    onTestFinished(async () => {
      await Promise.all(bouncers.map((bouncer) => bouncer.stop()))
    })
    // The first may have to serve all workers while the other one is down.
    const pools = Array.from({ length: fleet.workers }, () =>
      createForkSafePool(pgDriver, {
        connection: {
          host: '127.0.0.1',
          port: bouncers[0]?.port ?? 0,
          user: 'app',
          password: 'secret',
          database: 'postgres',
        },
        min: fleet.max,
        max: fleet.max,
      }),
    )
    onTestFinished(async () => {
      await Promise.all(pools.map((pool) => pool.close()))
    })
    await Promise.all(pools.map((pool) => pool.warmUp()))
    await Promise.all(
      pools.flatMap((pool) => Array.from({ length: 20 }, () => pool.query('select 1'))),
    )
    const client = new Client(server.url)
    await client.connect()
    const count = "select count(*)::int as sessions from pg_stat_activity where usename = 'app'"
    const { rows } = await client.query(count)
    await client.end()
    expect(rows).toEqual([{ sessions: size }])
  },
)

test('more pools of PgBouncer than sessions are rejected', () => {
  expect(() => pgBouncerSettings({ ...fleet, pairs: 3 })).toThrow('no session for each of 2 × 3')
})
