import { LeaseReleasedError } from '@forksafe/core'
import { type Command, type InnerConnection, PoolConnectionClass, refuse } from '../internals.ts'

type Prepare = (statement: object, prepared?: Prepared) => unknown
type Prepared = (error: unknown, statement?: object) => void

/** The methods that a handle does not pass on to its connection. */
interface HandleHost {
  readonly release: () => void
  /** Called after the release. */
  readonly destroy: () => void
}

/** One use of a connection. */
export interface Handle {
  /** The object for the holder: it acts as the connection until `end` is called. */
  readonly connection: InnerConnection
  /** From now on, nothing that is done with it reaches the connection, which may be another holder's. */
  end(): void
}

/** Lends a connection for one use. Its state and its events are the connection's own. */
export function handleOf(connection: InnerConnection, host: HandleHost): Handle {
  const prepare: Prepare = (statement, prepared) =>
    (connection.prepare as unknown as Prepare)(statement, (error, info) =>
      // It would be executed on the connection itself.
      prepared?.(error, info && inherit(info, { _connection: handle })),
    )
  let view = inherit(connection, { prepare, release: host.release })
  let ended = false
  const handle = new Proxy(connection, {
    get: (_, key) => Reflect.get(view, key) as unknown,
    set: (_, key, value) => Reflect.set(ended ? view : connection, key, value),
  })
  return {
    connection: handle,
    end() {
      ended = true
      view = inherit(connection, { ...released(connection), destroy: host.destroy })
    },
  }
}

/** In place of what a connection has, after its release. */
function released({ stream }: InnerConnection): object {
  // The connection's own, which are watched, would send.
  const { query, execute, prepare, changeUser } = PoolConnectionClass.prototype
  return {
    query,
    execute,
    prepare,
    changeUser,
    addCommand: (command: Command) => refuse(command, releasedError()),
    close: nothing,
    release: nothing,
    stream: inherit(stream, {
      write: nothing,
      end: nothing,
      destroy: nothing,
      pause: nothing,
      resume: nothing,
      removeAllListeners: nothing,
    }),
    removeAllListeners: nothing,
    _removeFromPool: nothing,
    _released: true,
    _statements: new Map(),
    _events: Object.create(null) as object,
    _eventsCount: 0,
  }
}

function inherit(from: object, own: object): object {
  return Object.assign(Object.create(from) as object, own)
}

function releasedError(): Error {
  return new LeaseReleasedError(
    'mysql',
    'Pool "mysql": expected a connection that is in use, got one that was released: take another from the pool.',
  )
}

function nothing(): void {}
