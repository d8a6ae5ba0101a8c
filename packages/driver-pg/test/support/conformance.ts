import type { ConformanceOptions } from '@forksafe/testkit'
import type { Client } from 'pg'
import type { PgConnection } from '../../src/index.ts'
import { backendPid, connectionTo, observe, target, type Transport } from './pools.ts'

/** What the suite has to know of a PostgreSQL that is reached by that transport. */
export function pgOptions(transport: Transport): ConformanceOptions<Client, PgConnection> {
  const to = (proxy: { port: number; path: string | undefined }) =>
    connectionTo({ transport, proxy })
  return {
    name: `pg over ${transport}`,
    server: target,
    connection: to,
    echo: async (client, text) => {
      const { rows } = await client.query<{ said: string }>('SELECT $1 AS said', [text])
      return rows[0]?.said ?? ''
    },
    session: {
      leave: (client) => client.query('BEGIN; SET LOCAL application_name = mine'),
      left: async (client) => {
        const { rows } = await client.query("SELECT current_setting('application_name') AS name")
        return rows[0].name === 'mine'
      },
    },
    failures: {
      'a database that is not there': {
        kind: 'fatal',
        connection: (proxy) => ({ ...to(proxy), database: 'missing' }),
      },
      'a role that is not there': {
        kind: 'fatal',
        connection: (proxy) => ({ ...to(proxy), user: 'nobody_at_all' }),
      },
    },
    goodbye:
      transport === 'TLS' ? undefined : (bytes) => bytes.equals(Buffer.from('X\0\0\0\u0004')),
    kill: async (client) => observe('SELECT pg_terminate_backend($1)', [await backendPid(client)]),
  }
}
