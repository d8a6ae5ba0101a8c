import type { Driver, ResetContext } from '@forksafe/core'
import type { Outage } from '@forksafe/core/methods'
import type { MysqlClient } from '../client.ts'
import { mysqlDriver } from '../driver.ts'
import { openWith } from '../open.ts'
import { refuseUnusable, resetAlways } from '../reset.ts'
import { observe, sessionOf } from '../session.ts'
import { watch } from '../watch.ts'
import { type InnerPool, PoolConnectionClass } from '../internals.ts'
import { Pooled } from './pooled.ts'

/** The longest that a server may take to hang up after a goodbye. */
const GOODBYE_TIMEOUT_MILLIS = 5_000

/** What the driver tells its pool. */
export interface DropInHost {
  readonly outage: Outage
  /** It is open, and the pool's. */
  opened(pooled: Pooled): void
  /** It is the pool's no longer: it ends, or another process has it. */
  gone(pooled: Pooled): void
}

/** The driver, over the connections that mysql2 makes for a pool. */
export function dropInDriver(pool: InnerPool, host: DropInHost): Driver<Pooled> {
  return {
    name: mysqlDriver.name,

    async create(_, { signal }) {
      const config = pool._createConnectionConfig()
      const own: unknown = config.stream
      const opened = await openWith(
        (stream) => {
          config.stream = stream
          return new PoolConnectionClass(pool, { config })
        },
        own,
        signal,
      )
      host.outage.succeeded()
      const pooled = new Pooled(opened.core)
      observe(pooled.client, opened, opened.core.config)
      return pooled
    },

    async validate({ client }) {
      await client.ping()
      return true
    },

    reset({ client }, context) {
      refuseUnusable(client)
      const undo = pool.config.resetOnRelease ? resetAlways : rollBack
      return undo(client, context)
    },

    async destroy(pooled) {
      host.gone(pooled)
      const { client, connection } = pooled
      const session = sessionOf(client)
      const { socket } = session
      if (socket.closed) return
      const closed = new Promise((resolve) => socket.once('close', resolve))
      let timer: NodeJS.Timeout | undefined
      const hangUp = (): void => {
        timer = setTimeout(() => socket.destroy(), GOODBYE_TIMEOUT_MILLIS)
      }
      // Whoever ends it by himself has the first word.
      await Promise.resolve()
      if (session.broken || session.overdue) socket.destroy()
      else if (
        (session.busy || session.streaming) &&
        (session.ended || !(pool._closed || pooled.takesNoMore))
      )
        socket.destroy()
      else if (session.ended) hangUp()
      else if (!pooled.takesNoMore) connection._realEnd(hangUp)
      await closed
      clearTimeout(timer)
    },

    discard(pooled) {
      host.gone(pooled)
      mysqlDriver.discard(pooled.client)
    },

    watch(pooled, lost) {
      pooled.lost = lost
      watch(pooled.client, lost)
      host.opened(pooled)
    },

    classify: (error) => host.outage.classify(error),
  }
}

/**
 * Of what a holder leaves behind, mysql2 takes away nothing; here, what would harm others: a transaction, locks of tables, and
 * `autocommit` that was switched.
 */
function rollBack(client: MysqlClient, context?: ResetContext): Promise<void> | undefined {
  const session = sessionOf(client)
  session.prepared.keep()
  const { autocommits, ownAutocommit } = session
  // To unlock tables, or to switch `autocommit` on, commits.
  const undo = [
    ...(session.mayBeInTransaction ? ['ROLLBACK'] : []),
    ...(session.locksTables ? ['UNLOCK TABLES'] : []),
    ...(autocommits === ownAutocommit ? [] : [`SET autocommit = ${ownAutocommit ? 1 : 0}`]),
  ]
  return undo.length === 0 ? undefined : runAll(client, undo, context)
}

async function runAll(
  client: MysqlClient,
  statements: string[],
  context?: ResetContext,
): Promise<void> {
  for (const statement of statements) {
    context?.checkProcess()
    await client.query(statement)
  }
  sessionOf(client).locksTables = false
}
