import { defineDriver } from '@forksafe/core'
import { checkOptions, oneOf } from '@forksafe/core/methods'
import { classify } from './classify.ts'
import type { MysqlClient, MysqlConnection } from './client.ts'
import { mysqlMethods } from './methods.ts'
import { open } from './open.ts'
import { reset, resetAlways } from './reset.ts'
import { observe, sessionOf } from './session.ts'
import { watch } from './watch.ts'

/** What the driver may do otherwise. */
export interface MysqlDriverOptions {
  /**
   * `'always'` resets the session whenever a connection comes back, which takes two round trips: for stored functions and triggers
   * that set variables or take locks, of which the text of a statement says nothing. Default `'left'`: where a holder may have
   * left something.
   */
  readonly reset?: 'left' | 'always' | undefined
}

/**
 * The driver, with options of its own: `createForkSafePool(mysqlDriverWith({ reset: 'always' }), { connection })`.
 * @throws {TypeError} for a wrong or unknown option.
 */
export function mysqlDriverWith(options: MysqlDriverOptions): typeof mysqlDriver {
  checkOptions('`mysqlDriverWith`', { reset: oneOf(['left', 'always']) }, options)
  return options.reset === 'always' ? { ...mysqlDriver, reset: resetAlways } : mysqlDriver
}

/** MySQL and MariaDB through mysql2: `createForkSafePool(mysqlDriver, { connection })`. */
export const mysqlDriver = defineDriver({
  name: 'mysql',

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
