import { defineDriver } from '@forksafe/core'
import {
  checkOptions,
  oneOf,
  openUntilAborted,
  type Rule,
  refusePoolOptions,
} from '@forksafe/core/methods'
import { classify } from './classify.ts'
import type { MysqlClient, MysqlConnection } from './client.ts'
import { mysqlMethods } from './methods.ts'
import { open } from './open.ts'
import { reset, resetAlways } from './reset.ts'
import { observe, sessionOf } from './session.ts'
import { setUp } from './setup.ts'
import { watch } from './watch.ts'

/** Options of the driver itself. */
export interface MysqlDriverOptions {
  /**
   * `'always'` resets the session at every release, which takes two round trips: for stored functions and triggers that set variables or
   * take locks, of which the text of a statement says nothing. Default `'left'`: resets it if a holder may have left something.
   */
  readonly reset?: 'left' | 'always' | undefined
  /**
   * Sets up each session: a statement such as `"SET time_zone = '+00:00'"`, or a function that runs several. It runs when a connection
   * is opened, and again after every reset of its session, which takes another round trip for each statement. If it fails, so does
   * the connect or the reset. It may leave neither a transaction nor a stream open, nor log in as another user. Default: none.
   */
  readonly setup?: string | ((client: MysqlClient) => unknown) | undefined
}

const aSetup: Rule = {
  expected: 'a statement or a function',
  accepts: (value) =>
    typeof value === 'function' || (typeof value === 'string' && value.trim() !== ''),
}

/** Options of mysql2's pool that mean nothing to a connection. */
const OF_MYSQL2_POOL = [
  'connectionLimit',
  'maxIdle',
  'idleTimeout',
  'queueLimit',
  'waitForConnections',
  'resetOnRelease',
]

/**
 * Returns the driver with other options: `createForkSafePool(mysqlDriverWith({ reset: 'always' }), { connection })`.
 * @throws {TypeError} for a wrong or unknown option.
 */
export function mysqlDriverWith(options: MysqlDriverOptions): typeof mysqlDriver {
  const rules = { reset: oneOf(['left', 'always']), setup: aSetup }
  checkOptions('`mysqlDriverWith`', rules, options)
  const { setup } = options
  if (options.reset !== 'always' && setup === undefined) return mysqlDriver
  return {
    ...mysqlDriver,
    ...(options.reset === 'always' && { reset: resetAlways }),
    ...(setup !== undefined && {
      create: async (connection, { signal }) => {
        const client = await mysqlDriver.create(connection, { signal })
        const letGo = (): void => mysqlDriver.discard(client)
        await openUntilAborted(signal, letGo, () => setUp(client, setup))
        sessionOf(client).setup = setup
        return client
      },
    }),
  }
}

/** MySQL and MariaDB through mysql2: `createForkSafePool(mysqlDriver, { connection })`. */
export const mysqlDriver = defineDriver({
  name: 'mysql',

  checkConnection: (connection: MysqlConnection) =>
    refusePoolOptions(connection, { pools: OF_MYSQL2_POOL }),

  async create(connection: MysqlConnection, { signal }): Promise<MysqlClient> {
    const opened = await open(connection, signal)
    const client = opened.core.promise() as MysqlClient
    observe(client, opened, connection)
    return client
  },

  async validate(client) {
    await client.ping()
    return true
  },

  reset,

  /** With a goodbye, where the server would hear it. */
  async destroy(client) {
    const session = sessionOf(client)
    const { socket } = session
    if (socket.closed) return
    const closed = new Promise((resolve) => socket.once('close', resolve))
    if (session.ended || session.busy) socket.destroy()
    else client.connection.end()
    await closed
  },

  /** Closes this process's copy of the socket, and nothing above it: neither mysql2 nor TLS gets to say a word. */
  discard(client) {
    sessionOf(client).socket.destroy()
  },

  watch,

  ref: (client) => sessionOf(client).hold(true),
  unref: (client) => sessionOf(client).hold(false),
  classify,
  methods: mysqlMethods,
})
