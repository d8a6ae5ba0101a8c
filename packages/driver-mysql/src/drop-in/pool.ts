import { createForkSafePool, type ForkSafePool, type Lease, type PoolStats } from '@forksafe/core'
import { Outage, watchPendingAnswers } from '@forksafe/core/methods'
import type { PoolConnection, PoolOptions } from 'mysql2'
import type { createPool as createMysql2Pool, Pool as PromisePool } from 'mysql2/promise'
import { tracingChannel } from 'node:diagnostics_channel'
import { sessionOf } from '../session.ts'
import { dropInDriver } from './driver.ts'
import { handleOf } from './handle.ts'
import { asMysql2Error, notReadInTime, says } from './messages.ts'
import { type InnerConnection, PoolClass } from '../internals.ts'
import { coreOptionsOf, maxOf, maxWaitingOf, parse } from './options.ts'
import { type Pooled, staleErrorOf, type Use } from './pooled.ts'

type Connected = (error: unknown, connection?: InnerConnection) => void
/** One use of a connection, as its holder may have it: with callbacks, or the same with promises. */
type Given = PoolConnection & { readonly connection: PoolConnection }

/** How often idle connections are checked against `maxIdle` and `idleTimeout`, as in mysql2. */
const IDLE_CHECK_MILLIS = 1_000

/** mysql2 tells its tracers by this. */
const connecting = tracingChannel('mysql2:pool:connect')

/** mysql2's pool with callbacks, over a fork-safe pool. What it lends, and how it asks, is mysql2's own. */
class Pool extends PoolClass {
  // Not `#private`: a pool may stand behind a proxy.
  private readonly _core: ForkSafePool<Pooled>
  private readonly _pooled = new Map<InnerConnection, Pooled>()
  /** By what is given to a holder. */
  private readonly _uses = new WeakMap<PoolConnection, Use>()
  private readonly _outage = new Outage()
  /** Whether the next connection is for one statement of the pool, and nobody else knows of it. */
  private _forStatement = false
  /** How many callers may have got a connection that they do not know of yet. */
  private _acquiring = 0
  private _idleTimer: NodeJS.Timeout | undefined = undefined
  /** The `connectionLimit` that the core has. */
  private _connectionLimit: number

  constructor(options: PoolOptions | string) {
    super({ config: parse(options) })
    const driver = dropInDriver(this, {
      outage: this._outage,
      opened: (pooled) => {
        this._pooled.set(pooled.connection, pooled)
        this._open(pooled)
      },
      gone: ({ connection }) => void this._pooled.delete(connection),
    })
    this._core = createForkSafePool(driver, coreOptionsOf(this.config))
    this._outage.watch(this._core)
    this._connectionLimit = this.config.connectionLimit
    // There are programs that look how long these are.
    const { _core: core } = this
    this._allConnections = counted(() => core.stats.size - core.stats.destroying)
    this._freeConnections = counted(() => core.stats.idle)
    this._connectionQueue = counted(() => Math.max(0, queued(core.stats)))
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
    this._watchIdle()
  }

  end(callback: () => void = () => undefined): void {
    this._closed = true
    clearTimeout(this._idleTimer)
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
    try {
      this._applyLimits()
    } catch (error) {
      return process.nextTick(callback, error)
    }
    const enqueued = this.listenerCount('enqueue') > 0 && this._connectionQueue.length
    const { signal } = this._outage
    this._acquiring++
    this._core
      .acquire({ signal })
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
          process.nextTick(callback, asMysql2Error(this._outage.errorFor(error, signal))),
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

  /**
   * Applies the limits as they are now.
   * @throws if this caller may not wait, or for a wrong limit.
   */
  private _applyLimits(): void {
    const { config, _core: core } = this
    if (config.connectionLimit !== this._connectionLimit) {
      core.resize({ max: maxOf(config) })
      this._connectionLimit = config.connectionLimit
    }
    const maxWaiting = maxWaitingOf(config)
    if (maxWaiting === Infinity) return
    // Looks for a change of process, after which the numbers are others.
    core.trim(0)
    const { stats } = core
    const room = Math.max(0, stats.max - stats.size)
    if (stats.idle > 0 || queued(stats) - room < maxWaiting) return
    throw new Error(config.waitForConnections ? says.queueFull : says.noneFree)
  }

  /** Checks idle connections after a while, and again while there are any. */
  private _watchIdle(): void {
    const millis = Math.max(1, Math.min(this.config.idleTimeout, IDLE_CHECK_MILLIS))
    this._idleTimer ??= setTimeout(() => {
      this._idleTimer = undefined
      this._endIdle()
      if (!this._closed && this._core.stats.idle > 0) this._watchIdle()
    }, millis).unref()
  }

  /** Ends the connections that have been idle for `idleTimeout`, and those beyond `maxIdle`, longest idle first. */
  private _endIdle(): void {
    const { maxIdle, idleTimeout } = this.config
    const { idle } = this._core.stats
    const expired = [...this._pooled.values()].filter(
      ({ lease, connection }) =>
        lease === undefined && Date.now() - connection.lastActiveTime > idleTimeout,
    )
    const excess = Math.min(idle, Math.max(idle - maxIdle, expired.length))
    if (excess > 0) this._core.trim(excess)
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
  const stop = watchPendingAnswers({
    isHopeless: () => session.overdue,
    isWaitedFor,
    progress: () => session.transferred,
    giveUp() {
      if (!lease.active) return
      lease.destroy()
      session.endStreams(new Error(notReadInTime))
    },
  })
  const release = (): void => {
    stop()
    lease[Symbol.dispose]()
  }
  client.ping().then(release, release)
}

/** Returns how many callers wait without a connection being opened for them. Negative if more connections are on their way. */
function queued({ size, idle, borrowed, destroying, waiting }: PoolStats): number {
  return waiting - (size - idle - borrowed - destroying)
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
