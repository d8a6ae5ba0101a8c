import { type PostgresServer, startPostgres } from '@forksafe/scripts/postgres'
import type { TestProject } from 'vitest/node'

/** What the tests know of the server that all of them share. */
export type SharedServer = Pick<
  PostgresServer,
  'host' | 'port' | 'socketDir' | 'user' | 'password' | 'database' | 'ca'
> & {
  /** A role that logs in over TCP by SCRAM; `undefined` for a server that was only found. */
  readonly role: { readonly user: string; readonly password: string } | undefined
}

declare module 'vitest' {
  interface ProvidedContext {
    server: SharedServer
  }
}

const role = { user: 'scram', password: 'never told in clear' }

export default async function serve(project: TestProject): Promise<() => Promise<void>> {
  const server = await startPostgres({ roles: { [role.user]: role.password } })
  const { host, port, socketDir, user, password, database, ca } = server
  const loggingIn = server.folder === undefined ? undefined : role
  project.provide('server', {
    host,
    port,
    socketDir,
    user,
    password,
    database,
    ca,
    role: loggingIn,
  })
  return () => server.stop()
}
