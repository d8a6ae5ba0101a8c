import { once } from 'node:events'
import { createServer } from 'node:http'
import { createForkSafePool } from '@forksafe/core'
import { pgDriver } from '@forksafe/driver-pg'

export const pool = createForkSafePool(pgDriver, { connection: process.env.DATABASE_URL ?? '' })

export const server = createServer((_request, response) => {
  pool.query('select pg_sleep(0.3)').then(
    ({ command }) => response.end(command),
    (error: unknown) => response.writeHead(500).end(String(error)),
  )
}).listen(Number(process.env.PORT ?? 3000), '127.0.0.1')

// #region shutdown
async function shutDown(): Promise<void> {
  server.close() // Rejects new connections. Requests in progress can finish.
  await once(server, 'close')
  await pool.close({ deadlineMillis: 10_000 })
}
process.once('SIGTERM', () => void shutDown())
// #endregion
