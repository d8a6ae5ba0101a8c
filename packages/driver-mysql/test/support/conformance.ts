import type { ConformanceOptions } from '@forksafe/testkit'
import type { MysqlClient, MysqlConnection } from '../../src/index.ts'
import { connectionTo, observe, rowOf, sessionId, targetOf, type Transport } from './pools.ts'

/** What the suite has to know of a MariaDB that is reached by that transport. */
export function mysqlOptions(
  transport: Transport,
): ConformanceOptions<MysqlClient, MysqlConnection> {
  const to = (proxy: { port: number; path: string | undefined }) =>
    connectionTo({ transport, proxy })
  return {
    name: `mysql over ${transport}`,
    server: targetOf(transport),
    connection: to,
    echo: async (client, text) =>
      (await rowOf<{ said: string }>(client, `SELECT '${text}' AS said`)).said,
    session: {
      leave: async (client) => {
        await client.query('SET @mine = 1')
        await client.query('START TRANSACTION')
      },
      left: async (client) => {
        const { mine, inside } = await rowOf(
          client,
          'SELECT @mine AS mine, @@in_transaction AS inside',
        )
        return mine !== null && inside === 1
      },
    },
    failures: {
      'a wrong password': {
        kind: 'fatal',
        connection: (proxy) => ({ ...to(proxy), password: 'wrong' }),
      },
      'a database that is not there': {
        kind: 'fatal',
        connection: (proxy) => ({ ...to(proxy), database: 'missing' }),
      },
    },
    goodbye:
      transport === 'TLS' ? undefined : (bytes) => bytes.equals(Buffer.from([1, 0, 0, 0, 1])),
    kill: async (client) => observe(`KILL ${await sessionId(client)}`),
  }
}
