import { createForkSafePool, type ForkSafePool, type Lease } from '@forksafe/core'
import { watchUnanswered } from '@forksafe/core/methods'
import type { PoolConnection, PoolOptions } from 'mysql2'
import type { createPool as createMysql2Pool, Pool as PromisePool } from 'mysql2/promise'
import { tracingChannel } from 'node:diagnostics_channel'
import { sessionOf } from '../session.ts'
import { dropInDriver } from './driver.ts'
import { handleOf } from './handle.ts'
import { inWordsOfMysql2, says, unanswered } from './messages.ts'
import { type InnerConnection, parse, PoolClass } from './mysql2.ts'
import { coreOptionsOf } from './options.ts'
import { type Pooled, staleErrorOf, type Use } from './pooled.ts'

type Connected = (error: unknown, connection?: InnerConnection) => void
/** One use of a connection, as its holder may have it: with callbacks, or the same with promises. */
type Given = PoolConnection & { readonly connection: PoolConnection }

/** How long what is idle beyond `maxIdle` may be of use yet: so often does mysql2 look for it. */
const SPARED_MILLIS = 1_000

/** mysql2 tells its tracers by this. */
const connecting = tracingChannel('mysql2:pool:connect')

/** mysql2's pool with callbacks, over a fork-safe pool. What it lends, and how it asks, is mysql2's own. */
class Pool extends PoolClass {
  // Not `#private`: a pool may stand behind a proxy.
  private readonly _core: ForkSafePool<Pooled>
  private readonly _pooled = new Map<InnerConnection, Pooled>()
  /** By what is given to a holder. */
  private readonly _uses = new WeakMap<PoolConnection, Use>()
  /** Whether the next connection is for one statement of the pool, and nobody else knows of it. */
  private _forStatement = false
  /** How many callers may have got a connection that they do not know of yet. */
  private _acquiring = 0
  private _sparing: NodeJS.Timeout | undefined = undefined

  constructor(options: PoolOptions | string) {
    super({ config: parse(options) })
    const driver = dropInDriver(this, {
      opened: (pooled) => {
        this._pooled.set(pooled.connection, pooled)
        this._open(pooled)
      },
      gone: ({ connection }) => void this._pooled.delete(connection),
    })
    this._core = createForkSafePool(driver, coreOptionsOf(this.config))
    // There are programs that look how long these are.
    const { _core: core } = this
    this._allConnections = counted(() => core.stats.size - core.stats.destroying)
    this._freeConnections = counted(() => core.stats.idle)
    this._connectionQueue = counted(() => {
      const { size, idle, borrowed, destroying, waiting } = core.stats
      // Without those for whom a connection is being opened.
      return Math.max(0, waiting - (size - idle - borrowed - destroying))
    })
  }

  override query(...given: unknown[]): unknown {
    return this._statement(() => super.query(...given))
  }

  override execute(...given: unknown[]): unknown {
    return this._statement(() => super.execute(...given))
  }

  getConnection(callback: Connected): void {
    if (!connecting.hasSubscribers) return this._getConnection(callback)
    const { database, socketPath, host, port } = this.config.connectionConfig
    const server = socketPath
      ? { serverAddress: socketPath, serverPort: undefined }
      : { serverAddress: host, serverPort: port }
    const context = { database: database ?? '', ...server }
    const get = (callback: Connected): void => this._getConnection(callback)
    connecting.traceCallback(get, 0, context, undefined, callback)
  }

  releaseConnection(given: PoolConnection): void {
    const use = this._uses.get(given) ?? this._uses.get((given as Given).connection)
    if (use === undefined || this._closed) return
    const { pooled, lease, handle } = use
    if (lease === undefined || pooled.connection._pool === null) return
    // Its holder may be in the process that this one was copied from.
    if (staleErrorOf(lease) !== undefined) return
    this._uses.delete(handle.connection)
    handle.end()
    pooled.lease = undefined
    pooled.connection.lastActiveTime = Date.now()
    this._tell('release', handle.connection)
    giveBack(pooled, lease, () => this._core.stats.waiting > 0)
    if (this.config.maxIdle < this.config.connectionLimit) this._spare()
  }

  end(callback: () => void = () => undefined): void {
    this._closed = true
    clearTimeout(this._sparing)
    // Who waits is refused, and who holds a connection gets the answers that it has asked for.
    void this._core.close({ deadlineMillis: 0 }).then(() => process.nextTick(callback))
  }

  /** Called by a connection that ends, or that its holder ends. */
  protected _removeConnection(connection: InnerConnection): void {
    const pooled = this._uses.get(connection)?.pooled ?? this._pooled.get(connection)
    pooled?.lost?.(new Error('The connection was ended.'))
  }

  /** What mysql2 begins in its constructor: here the core does it. */
  protected _removeIdleTimeoutConnections(): void {}

  private _getConnection(callback: Connected): void {
    const forStatement = this._forStatement
    this._forStatement = false
    if (this._closed) return process.nextTick(callback, new Error(says.closed))
    const enqueued = this.listenerCount('enqueue') > 0 && this._connectionQueue.length
    this._acquiring++
    this._core
      .acquire()
      .then(
        (lease) => {
          this._acquiring--
          return this._lend(lease, forStatement)
        },
        (error: unknown) => {
          this._acquiring--
          throw error
        },
      )
      .then(
        (connection) => process.nextTick(callback, null, connection),
        (error: unknown) =>
          process.nextTick(callback, inWordsOfMysql2(error, this.config.waitForConnections)),
      )
    if (enqueued !== false && this._connectionQueue.length > enqueued) this._tell('enqueue')
  }

  private _statement(run: () => unknown): unknown {
    this._forStatement = true
    try {
      return run()
    } finally {
      this._forStatement = false
    }
  }

  private _lend(lease: Lease<Pooled>, forStatement: boolean): InnerConnection {
    const pooled = lease.resource
    const { connection } = pooled
    if (this._closed) {
      lease.release()
      throw new Error(says.closed)
    }
    pooled.lease = lease
    connection._released = false
    const use =
      pooled.use?.lease === undefined ? (pooled.use ?? this._use(pooled)) : this._use(pooled)
    use.lease = lease
    const { connection: given } = use.handle
    // mysql2's pool would hold the connection until the answer comes, which may be never.
    sessionOf(pooled.client).onOverdue = forStatement
      ? () => process.nextTick(() => this.releaseConnection(given))
      : undefined
    this._tell('acquire', given)
    return given
  }

  private _use(pooled: Pooled): Use {
    const handle = handleOf(pooled.connection, {
      release: () => this.releaseConnection(handle.connection),
      destroy: () => this._destroyIdle(use),
    })
    const use: Use = { pooled, handle, lease: undefined }
    this._uses.set(handle.connection, use)
    pooled.use = use
    return use
  }

  /** What a listener sets in the session stays set: `autocommit` too. */
  private _open(pooled: Pooled): void {
    this._tell('connection', this._use(pooled).handle.connection)
    const session = sessionOf(pooled.client)
    if (!session.busy) return
    pooled.connection.ping((error) => {
      if (!error) session.keepAutocommit()
    })
  }

  /** As in mysql2's pool, its last holder may end a connection that is idle. */
  private _destroyIdle(use: Use): void {
    const { connection, lease } = use.pooled
    if (use.pooled.use === use && lease === undefined && this._acquiring === 0) connection.destroy()
  }

  /** Ends what stays idle beyond `maxIdle`, those first that have been idle for longest. */
  private _spare(): void {
    this._sparing ??= setTimeout(() => {
      this._sparing = undefined
      const excess = this._core.stats.idle - this.config.maxIdle
      if (excess > 0) this._core.trim(excess)
    }, SPARED_MILLIS).unref()
  }

  /** A listener's error is its own: it is uncaught, and the pool goes on. */
  private _tell(event: string, ...details: unknown[]): void {
    try {
      this.emit(event, ...details)
    } catch (error) {
      process.nextTick(() => {
        throw error
      })
    }
  }
}

/**
 * Releases a connection once everything is answered that its holder sent. Ends it instead if callers wait for a connection and
 * the connection makes no progress for 3 seconds: there may never be an answer, or nobody reads it.
 */
function giveBack({ client }: Pooled, lease: Lease<Pooled>, isWaitedFor: () => boolean): void {
  const session = sessionOf(client)
  // Nobody knows when a statement is answered whose caller has given up waiting.
  if (!session.busy || session.overdue) return lease.release()
  const stop = watchUnanswered({
    isHopeless: () => session.overdue,
    isWaitedFor,
    progress: () => session.transferred,
    giveUp() {
      if (!lease.active) return
      lease.destroy()
      session.endStreams(new Error(unanswered))
    },
  })
  const release = (): void => {
    stop()
    lease[Symbol.dispose]()
  }
  client.ping().then(release, release)
}

function counted(count: () => number): { readonly length: number } {
  return {
    get length() {
      return count()
    },
  }
}

/**
 * The pool of `mysql2/promise`, over a fork-safe pool: a program that used that changes one import. It is the same by its
 * options, methods, events and errors, and by `instanceof`; its `pool` is the one with callbacks.
 * @throws {TypeError} for options with which nothing would ever be lent.
 */
export const createPool: typeof createMysql2Pool = (options: PoolOptions | string): PromisePool => {
  const { Promise } = options as { readonly Promise?: PromiseConstructor }
  return new Pool(options).promise(Promise)
}
