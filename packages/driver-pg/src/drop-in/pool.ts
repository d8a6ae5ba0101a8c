import {
  AcquireTimeoutError,
  createForkSafePool,
  type ForkSafePool,
  type Lease,
} from '@forksafe/core'
import { copyError, Outage } from '@forksafe/core/methods'
import type { EventEmitter } from 'node:events'
import { Pool as PgPool, type PoolClient, type PoolConfig, type QueryResult } from 'pg'
import { dropInDriver, type DropInHost } from './driver.ts'
import { lend, type Lender } from './lend.ts'
import { inWordsOfPgPool, reasonsToLog, says } from './messages.ts'
import type { ClientClass } from './open.ts'
import {
  checkConfig,
  type CoreOptions,
  coreOptionsOf,
  coreSizeOf,
  type DropInOptions,
  shareModeOf,
  type ShareOption,
} from './options.ts'
import { shareableOf, type ShareableStatement } from '../share/request.ts'
import type { ShareMode } from '../share/share-mode.ts'
import { Unsent } from './unsent.ts'
import { ask, releaseFailed, sendShared } from './query.ts'
import type { Session } from './session.ts'
import { inPromiseOf, settleBy, throwUncaught } from './callbacks.ts'
import { isDestroyed, reportsErrors } from './submittable.ts'

type Release = (error?: Error | boolean) => void
type Connected = (error: Error | undefined, client: PoolClient | undefined, done: Release) => void
type Answered = (error: Error | undefined, result?: QueryResult) => void

/** What pg-pool's constructor leaves behind. */
interface Inherited extends EventEmitter {
  readonly options: DropInOptions
  readonly Client: ClientClass
  readonly Promise: PromiseConstructor
  readonly log: (...messages: unknown[]) => void
  ending: boolean
  ended: boolean
}

/** pg-pool's class without the types of its methods: every one of them is replaced, and pg's types are put back below. */
const Inheritance = PgPool as unknown as new (config?: PoolConfig) => Inherited

/**
 * `pg.Pool`, over a fork-safe pool: a program that used that changes one import. It is the same by its options, methods,
 * events and errors, and by `instanceof`: those of [pg-pool](https://github.com/brianc/node-postgres/tree/master/packages/pg-pool).
 * Of what that keeps in itself only the options are used: its lists stay empty.
 * @throws {TypeError} for options that are no object, for a time below 0, and for a size that is no number.
 */
export const Pool = class Pool extends Inheritance {
  // Not `#private`: a pool may stand behind a proxy.
  private readonly _core: ForkSafePool<Session>
  private readonly _sessions = new Set<Session>()
  private readonly _outage = new Outage()
  private readonly _unsent = new Unsent(this._outage)
  private readonly _share: ShareMode | false
  private _ended: Promise<void> | undefined
  /** What the options said of it last. */
  private _size: Pick<DropInOptions, 'min' | 'max'>
  /** A listener's error is its own: it is uncaught, and the pool goes on. */
  private readonly _tell = (event: string, ...details: unknown[]): void => {
    if (this.listenerCount(event) === 0) return
    try {
      this.emit(event, ...details)
    } catch (error) {
      throwUncaught(error)
    }
  }

  private readonly _lender: Lender = {
    tell: this._tell,
    isEnding: () => this.ending,
    isWaitedFor: () => this._core.stats.waiting > 0,
  }

  constructor(config?: PoolConfig) {
    super(checkConfig(config))
    this._share = shareModeOf(this.options)
    const host: DropInHost = {
      Client: this.Client,
      outage: this._outage,
      log: (...messages) => this.log(...messages),
      generation: () => this._core.stats.generation,
      opened: (session) => {
        this._sessions.add(session)
        this._tell('connect', session.client)
      },
      gone: (session) => void this._sessions.delete(session),
      ended: ({ client }) => this._tell('remove', client),
      failedIdle: ({ client }, error) => {
        // Nobody has to listen: the pool has let go of it already.
        if (this.listenerCount('error') === 0) return
        this._tell('error', Object.assign(error, { client }), client)
      },
    }
    const driver = dropInDriver(host, this._share !== false)
    this._core = createForkSafePool(driver, coreOptionsOf(this.options))
    this._outage.watch(this._core)
    this._core.on('destroy', ({ reason }) => {
      for (const message of reasonsToLog[reason] ?? []) this.log(message)
    })
    this._core.on('leak', (leak) => this._tell('leak', leak))
    const { min, max } = this.options
    this._size = { min, max }
    for (const own of [
      '_core',
      '_sessions',
      '_outage',
      '_ended',
      '_size',
      '_tell',
      '_lender',
      '_unsent',
      '_share',
    ]) {
      Object.defineProperty(this, own, { enumerable: false })
    }
  }

  connect(callback?: Connected): Promise<PoolClient> | undefined {
    if (callback === undefined) return inPromiseOf(this.Promise, this._lend())
    const done = (): void => undefined
    // oxlint-disable-next-line typescript/unbound-method -- it needs no `this`
    settleBy(this._lend(), callback, (client) => [client, client.release], [undefined, done])
    return undefined
  }

  query(query: unknown, values?: unknown, callback?: Answered): Promise<QueryResult> | undefined {
    if (typeof query === 'function') {
      setImmediate(query as Answered, new Error(says.functionFirst))
      return undefined
    }
    if (typeof values === 'function') return this.query(query, undefined, values as Answered)
    if (callback === undefined && reportsErrors(query)) {
      const reported = new Set<unknown>()
      const answer = this._query(query, values, (error) => void reported.add(error))
      return inPromiseOf(this.Promise, answer, (error) => reported.has(error))
    }
    const answer = this._query(query, values)
    if (callback === undefined) return inPromiseOf(this.Promise, answer)
    settleBy(answer, callback, (result) => [result])
    return undefined
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await (this._ended ?? this.end())
  }

  end(callback?: () => void): Promise<void> | undefined {
    this.log('ending')
    const ended = this._end()
    this._ended ??= ended
    if (callback === undefined) return inPromiseOf(this.Promise, ended)
    settleBy(ended, callback, () => [])
    return undefined
  }

  get totalCount(): number {
    const { size, destroying } = this._core.stats
    return size - destroying
  }

  get idleCount(): number {
    return this._core.stats.idle
  }

  /** As in pg-pool, whoever waits for a client of its own that is being opened does not count. */
  get waitingCount(): number {
    const { size, idle, borrowed, shared, destroying, waiting } = this._core.stats
    return Math.max(0, waiting - (size - idle - borrowed - shared - destroying))
  }

  get expiredCount(): number {
    const { maxLifetimeSeconds } = this.options
    if (!maxLifetimeSeconds) return 0
    const bornBefore = performance.now() - maxLifetimeSeconds * 1000
    return [...this._sessions].filter(({ openedAt }) => openedAt <= bornBefore).length
  }

  private async _lend(): Promise<PoolClient> {
    if (this.ending) throw new Error(says.ended)
    this._keepUp()
    const { signal } = this._outage
    let lease: Lease<Session>
    try {
      lease = await this._core.acquire(
        this._getsItsOwn ? { signal, timeoutMillis: Infinity } : { signal },
      )
    } catch (error) {
      const told = this._errorFor(error, signal)
      // Its stack leads to the caller, and not to a timer or a socket.
      if (told instanceof Error) Error.captureStackTrace(told)
      throw told
    }
    return lend(lease, this.options, this._lender)
  }

  private _errorFor(error: unknown, signal: AbortSignal): unknown {
    const { size, max } = this._core.stats
    // It waited for the next connect.
    const { isOn, lastError } = this._outage
    if (error instanceof AcquireTimeoutError && isOn && size < max) return copyError(lastError)
    return inWordsOfPgPool(this._outage.errorFor(error, signal))
  }

  /** Whether a client is opened for this caller: then it may wait for as long as that may take. */
  private get _getsItsOwn(): boolean {
    if (!this.options.connectionTimeoutMillis || this._outage.isOn) return false
    const { size, borrowed, shared, creating, destroying, max } = this._core.stats
    // None is opened if one is idle, or is being reset or validated.
    return size === borrowed + shared + creating + destroying && size < max
  }

  /** pg-pool looks at its options each time, and there are programs that change them. */
  private _keepUp(): void {
    const { min, max } = this.options
    if (min === this._size.min && max === this._size.max) return
    this._size = { min, max }
    this._core.resize(coreSizeOf(this.options))
  }

  /** `failed` is called with an error of the query itself. */
  private async _query(
    query: unknown,
    values: unknown,
    failed?: (error: unknown) => void,
  ): Promise<QueryResult> {
    // oxlint-disable-next-line typescript/unbound-method -- it is compared, and called on the pool
    const { connect } = this
    if (this._share !== false && connect === ownConnect) {
      const statement = shareableOf(query, values, this._share)
      if (statement !== undefined) return this._shareStatement(statement)
    }
    const client = await (connect === ownConnect ? this._lend() : this._connectByCallback())
    if (isDestroyed(query)) {
      client.release()
      throw new Error('Cannot query: the stream was destroyed before it was submitted')
    }
    let result: QueryResult
    try {
      this.log('dispatching query')
      result = await ask(client, query, values)
      this.log('query dispatched')
    } catch (error) {
      this.log('query dispatched')
      failed?.(error)
      // Its stack leads to the caller, and not to the socket.
      if (error instanceof Error) Error.captureStackTrace(error)
      releaseFailed(client, error)
      throw error
    }
    client.release()
    return result
  }

  private async _shareStatement(statement: ShareableStatement): Promise<QueryResult> {
    if (this.ending) throw new Error(says.ended)
    this._keepUp()
    const { seal, text: key } = statement
    const unsent = this._unsent.add()
    const { signal } = unsent
    const timeout = this._getsItsOwn ? { timeoutMillis: Infinity } : {}
    try {
      return await this._core.share(
        (session) => {
          this._unsent.remove(unsent)
          this.log('dispatching query')
          return sendShared(session, statement, this._tell)
        },
        { key, seal, signal, ...timeout },
      )
    } catch (error) {
      const told = this._errorFor(error, signal)
      // Its stack leads to the caller, and not to the socket.
      if (told instanceof Error) Error.captureStackTrace(told)
      throw told
    } finally {
      this._unsent.remove(unsent)
    }
  }

  /**
   * Calls a `connect` that a subclass or a tracer has replaced. As pg-pool does, it passes a callback. One that ignores the callback
   * and returns a promise works too.
   */
  private _connectByCallback(): Promise<PoolClient> {
    return new Promise((resolve, reject) => {
      const returned: unknown = this.connect((error, client) =>
        error ? reject(error) : resolve(client as PoolClient),
      )
      Promise.resolve(returned).then((client) => {
        // A wrapper that calls back may return a promise of nothing.
        if (client !== undefined) resolve(client as PoolClient)
      }, reject)
    })
  }

  private async _end(): Promise<void> {
    if (this.ending) throw new Error(says.endedTwice)
    this.ending = true
    // As in pg-pool, nobody waits for what has been released.
    for (const { pendingRelease } of this._sessions) pendingRelease?.giveUp()
    // As in pg-pool, it takes as long as whoever holds a client.
    await this._core.close({ deadlineMillis: Infinity })
    this.ended = true
  }
} as unknown as PoolClass

// oxlint-disable-next-line typescript/unbound-method -- it is compared
const ownConnect: unknown = Pool.prototype.connect

/** The pool that `new Pool()` returns: pg's type, which `await using` takes too. */
export type Pool = PgPool & AsyncDisposable

/** The options of the drop-in: pg's, and some of the underlying pool. */
export type DropInConfig = PoolConfig & CoreOptions & ShareOption

/** pg's class, by the types of this one. */
export interface PoolClass extends Omit<typeof PgPool, 'prototype'> {
  /** Creates a pool. It opens no connection until a client is wanted. */
  new (config?: DropInConfig): Pool
  /** The methods of every pool. */
  readonly prototype: Pool
}
