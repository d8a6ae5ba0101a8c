import type { Driver, ResetContext } from '@forksafe/core'
import type { MysqlClient } from '../client.ts'
import { mysqlDriver } from '../driver.ts'
import { openWith } from '../open.ts'
import { refuseUnusable, resetAlways } from '../reset.ts'
import { observe, sessionOf } from '../session.ts'
import { type InnerPool, PoolConnectionClass } from './mysql2.ts'
import { Pooled } from './pooled.ts'

/** The longest that a server may take to hang up after a goodbye. */
const GOODBYE_TIMEOUT_MILLIS = 5_000

/** What the driver tells its pool. */
export interface DropInHost {
  /** It is open, and the pool's. */
  opened(pooled: Pooled): void
  /** It is the pool's no longer: it ends, or another process has it. */
  gone(pooled: Pooled): void
}

/** The driver, over the connections that mysql2 makes for a pool. */
export function dropInDriver(pool: InnerPool, host: DropInHost): Driver<Pooled> {
  const undo = pool.config.resetOnRelease ? resetAlways : rollBack
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
      const pooled = new Pooled(opened.core)
      observe(pooled.client, opened, opened.core.config)
      return pooled
    },

    async validate({ client }) {
      await client.ping()
      return true
    },

    reset({ client }, context) {
      refuseUnusable(sessionOf(client))
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
      if (session.broken) socket.destroy()
      else if (session.busy && (session.ended || !(pool._closed || pooled.takesNoMore)))
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
      mysqlDriver.watch?.(pooled.client, lost)
      host.opened(pooled)
    },

    // As in mysql2's pool, whoever it was opened for learns of it at once.
    classify: () => 'single',
  }
}

/** Of what a holder leaves behind, mysql2 takes away nothing; here, a transaction, and `autocommit` that was switched. */
function rollBack(client: MysqlClient, context?: ResetContext): Promise<void> | undefined {
  const session = sessionOf(client)
  session.keepStatements()
  if (session.mayBeInTransaction) return endTransaction(client, context)
  return restoreAutocommit(client)
}

async function endTransaction(client: MysqlClient, context?: ResetContext): Promise<void> {
  await client.rollback()
  // Not before: to switch it on commits.
  context?.checkProcess()
  await restoreAutocommit(client)
}

function restoreAutocommit(client: MysqlClient): Promise<void> | undefined {
  const { autocommits, ownAutocommit } = sessionOf(client)
  if (autocommits === ownAutocommit) return undefined
  return client.query(`SET autocommit = ${ownAutocommit ? 1 : 0}`).then(() => undefined)
}
