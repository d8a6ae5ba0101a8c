import type { Driver } from '@forksafe/core'
import type { Outage } from '@forksafe/core/methods'
import { pgDriver } from '../driver.ts'
import { keepClientListeners } from '../listeners.ts'
import { isQueryable } from '../internals.ts'
import { refuseEnded, rollBack } from '../reset.ts'
import { dropShared, shareHooks, watchSharing } from '../share/sharing.ts'
import { refuseUnusable } from '../unusable-session.ts'
import { type ClientClass, open } from './open.ts'
import type { DropInOptions } from './options.ts'
import { checkProcessBeforeQueries, Session } from './session.ts'

/** What the driver asks and tells its pool. */
export interface DropInHost {
  readonly Client: ClientClass
  readonly outage: Outage
  readonly log: (...messages: unknown[]) => void
  /** The generation of the pool now. */
  generation(): number
  /** It is open, and the pool's. */
  opened(session: Session): void
  /** It counts no longer: its goodbye begins, or another process has it. */
  gone(session: Session): void
  /** Its connection has ended. */
  ended(session: Session): void
  /** It failed while nobody held it. */
  failedIdle(session: Session, error: Error): void
}

/** The driver, over clients as pg-pool makes them and for who is used to pg-pool. */
export function dropInDriver(host: DropInHost, share: boolean): Driver<Session, DropInOptions> {
  return {
    name: pgDriver.name,

    async create(options, { signal }) {
      const { client, socket } = await open(options, host, signal)
      host.outage.succeeded()
      const session = new Session(client, socket, host.generation())
      checkProcessBeforeQueries(session)
      return session
    },

    async validate({ client }) {
      await client.query('SELECT 1')
      return true
    },

    // A client of another make may not tell whether it is in a transaction: then it comes back as it is.
    isUsable: ({ client }) => isQueryable(client),

    reset({ client }) {
      if (typeof client.getTransactionStatus === 'function') return rollBack(client)
      refuseEnded(client)
      return refuseUnusable(client)
    },

    async destroy(session) {
      session.ending = true
      session.pendingRelease?.stop()
      host.gone(session)
      if (!dropShared(session.client)) await pgDriver.destroy(session.client)
    },

    discard(session) {
      session.ending = true
      session.pendingRelease?.stop()
      host.gone(session)
      session.socket?.destroy()
    },

    watch(session, lost, retire) {
      const { client } = session
      client.on('error', (error: Error) => {
        const idle = session.lease === undefined && session.inFlight === 0 && !session.ending
        // Finds out, too, whether the connection is this process's.
        lost(error)
        if (idle && session.generation === host.generation()) host.failedIdle(session, error)
      })
      client.on('end', () => {
        lost(new Error('The connection ended.'))
        if (session.generation === host.generation()) host.ended(session)
      })
      client.on('drain', () => session.pendingRelease?.answered())
      keepClientListeners(client)
      if (share) watchSharing(client, lost, retire)
      host.opened(session)
    },

    ...(share ? { share: shareHooks(({ client }: Session) => client) } : {}),

    ref: ({ client }) => pgDriver.ref?.(client),
    unref: ({ client }) => pgDriver.unref?.(client),
    classify: (error) => host.outage.classify(error),
  }
}
