import {
  type PostgresOptions,
  type PostgresServer,
  startPostgres,
} from '@forksafe/scripts/postgres'
import { Client, type ClientConfig } from 'pg'
import { afterAll, beforeAll } from 'vitest'

/** A server that a file's tests may break. */
export interface OwnServer {
  readonly server: PostgresServer
  /** How to reach it, as its superuser. */
  readonly connection: ClientConfig
  /** Tells it something as its superuser, who always has a place. */
  readonly tell: (text: string, values?: unknown[]) => Promise<void>
}

/** Has a server of their own ready for a file's tests. */
export function useOwnServer(options: PostgresOptions = {}): () => OwnServer {
  let started: OwnServer | undefined
  beforeAll(async () => {
    const server = await startPostgres({ own: true, ...options })
    started = ownServer(server)
  })
  afterAll(() => started?.server.stop())
  return () => {
    if (started === undefined) throw new Error('The server is started before the first test.')
    return started
  }
}

function ownServer(server: PostgresServer): OwnServer {
  const { host, port, user, database } = server
  const connection = { host, port, user, database }
  const tell = async (text: string, values: unknown[] = []): Promise<void> => {
    const client = new Client(connection)
    await client.connect()
    try {
      await client.query(text, values)
    } finally {
      await client.end()
    }
  }
  return { server, connection, tell }
}
