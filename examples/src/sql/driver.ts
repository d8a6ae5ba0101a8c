import { defineDriver } from '@forksafe/core'
import { openUntilAborted } from '@forksafe/core/methods'
import {
  modesOf,
  transact,
  type TransactionDialect,
  type TransactionOptions,
  type TransactionWork,
} from '@forksafe/sql'
import { Socket } from 'node:net'
import { Client, type QueryResult } from 'pg'

/** Wraps the client: a holder who calls `removeAllListeners` on it would remove those of the driver. */
export class Session {
  /** Under TLS and protocol. */
  readonly socket = new Socket()
  readonly #client: Client

  constructor(connectionString: string) {
    this.#client = new Client({ connectionString, stream: () => this.socket })
    this.#client.on('error', () => undefined)
  }

  async connect(): Promise<void> {
    await this.#client.connect()
  }

  query(text: string, values?: unknown[]): Promise<QueryResult> {
    return this.#client.query(text, values)
  }

  end(): Promise<void> {
    return this.#client.end()
  }
}

const dialect: TransactionDialect<Session> = {
  codePrefix: 'MYDB',
  begin: (options) => [['BEGIN', ...modesOf(options)].join(' ')],
  run: (session, statement) => session.query(statement),
  // Without a way to cancel a statement, reject: then an abort discards the connection.
  cancel: () => Promise.reject(new Error('The statement cannot be cancelled.')),
  leftOpen: ({ socket }) => (socket.destroyed ? new Error('The connection was lost.') : undefined),
  // The server reports by its own error that it did not commit. Otherwise, nobody knows.
  refusesCommit: (error) => (error as { severity?: string }).severity === 'ERROR',
  whyRolledBack: (answer) =>
    (answer as { command: string }).command === 'COMMIT' ? undefined : 'a statement had failed',
  isRetried: (error) => (error as { code?: string }).code === '40001',
}

export const mydbDriver = defineDriver({
  name: 'mydb',
  async create(connectionString: string, { signal }): Promise<Session> {
    signal.throwIfAborted()
    const session = new Session(connectionString)
    await openUntilAborted(
      signal,
      () => session.socket.destroy(),
      () => session.connect(),
    )
    return session
  },
  validate: async (session) => (await session.query('SELECT 1')).rowCount === 1,
  reset: async (session) => void (await session.query('ROLLBACK')),
  destroy: (session) => session.end(),
  discard: ({ socket }) => void socket.destroy(),
  watch: ({ socket }, lost) => void socket.once('close', () => lost(new Error('It was closed.'))),
  ref: ({ socket }) => void socket.ref(),
  unref: ({ socket }) => void socket.unref(),
  // No such user, a wrong password, no such database: no retry would help.
  classify: (error) =>
    /^28|^3D/.test((error as { code?: string }).code ?? '') ? 'fatal' : 'transient',
  methods: (pool) => ({
    query: (text: string, values?: unknown[]) => pool.use((session) => session.query(text, values)),
    transaction: <T>(work: TransactionWork<Session, T>, options?: TransactionOptions) =>
      transact(pool, dialect, work, options),
  }),
})
