import type { Client, ClientBase } from 'pg'
import { internalsOf } from './internals.ts'

/**
 * Lets a client keep the process alive only while it runs a query, for the time in which a startup snapshot is built. Otherwise, a
 * lease that is never released would keep the snapshot from being written.
 */
export function refOnlyWhileBusy(client: ClientBase): void {
  const internals = internalsOf(client)
  const ref = internals.ref.bind(client)
  const query = client.query.bind(client) as (...args: unknown[]) => unknown
  const end = (client as Client).end.bind(client) as (...args: unknown[]) => unknown
  Object.assign(client, {
    ref: () => undefined,
    query: (...args: unknown[]) => {
      ref()
      return query(...args)
    },
    end: (...args: unknown[]) => {
      ref()
      return end(...args)
    },
  })
  client.on('drain', () => internals.unref())
  internals.unref()
}
