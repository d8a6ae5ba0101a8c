import { startPostgres } from '@forksafe/scripts/postgres'
import type { TestProject } from 'vitest/node'

declare module 'vitest' {
  interface ProvidedContext {
    environment: Record<string, string>
  }
}

/** A server for all the libraries, told to them as the environment tells pg. */
export default async function serve(project: TestProject): Promise<() => Promise<void>> {
  const server = await startPostgres()
  const { host, port, user, password, database } = server
  project.provide('environment', {
    PGHOST: host,
    PGPORT: String(port),
    PGUSER: user,
    PGDATABASE: database,
    ...(password === undefined ? {} : { PGPASSWORD: password }),
  })
  return () => server.stop()
}
