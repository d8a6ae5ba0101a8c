import { type PostgresServer, startPostgres } from '@forksafe/scripts/postgres'
import type { TestProject } from 'vitest/node'

/** What the tests know of the server that all of them share. */
export type SharedServer = Pick<
  PostgresServer,
  'host' | 'port' | 'user' | 'password' | 'database' | 'ca'
>

declare module 'vitest' {
  interface ProvidedContext {
    server: SharedServer
  }
}

export default async function serve(project: TestProject): Promise<() => Promise<void>> {
  const server = await startPostgres()
  const { host, port, user, password, database, ca } = server
  project.provide('server', { host, port, user, password, database, ca })
  return () => server.stop()
}
