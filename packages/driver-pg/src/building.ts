import type { EventEmitter } from 'node:events'

/** What is needed of a client. */
interface Holding extends EventEmitter {
  query(...args: unknown[]): unknown
  end(...args: unknown[]): unknown
  ref(): void
  unref(): void
}

/**
 * While a startup snapshot is built: a client holds the process open only while it has something to do. A lease that is
 * kept for good would otherwise keep the snapshot from ever being written.
 */
export function holdOnlyWhileBusy(client: Holding): void {
  const ref = client.ref.bind(client)
  const query = client.query.bind(client)
  const end = client.end.bind(client)
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
  client.on('drain', () => client.unref())
  client.unref()
}
