import { type MariadbServer, startMariadb } from '@forksafe/scripts/mariadb'
import type { TestProject } from 'vitest/node'

/** What the tests know of the server that all of them share. */
export type SharedServer = Pick<
  MariadbServer,
  'host' | 'port' | 'socketPath' | 'user' | 'password' | 'database' | 'ca'
>

declare module 'vitest' {
  interface ProvidedContext {
    mariadb: SharedServer
  }
}

export default async function serve(project: TestProject): Promise<() => Promise<void>> {
  const server = await startMariadb()
  const { host, port, socketPath, user, password, database, ca } = server
  project.provide('mariadb', { host, port, socketPath, user, password, database, ca })
  return () => server.stop()
}
