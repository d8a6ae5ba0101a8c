import { AsyncResource } from 'node:async_hooks'
import { channel } from 'node:diagnostics_channel'
import { EventEmitter } from 'node:events'
import { aFunction, checkValue, expected } from '../tools/rules.ts'
import { errorFor } from '../tools/thrown.ts'
import type { PoolLifeMessage, PoolMessage } from '../api/messages.ts'
import type { PoolEvents, PoolListener } from '../api/pool.ts'
import { runApart } from '../tools/uncaught.ts'

const channels = {
  acquire: channel('forksafe:acquire'),
  release: channel('forksafe:release'),
  create: channel('forksafe:create'),
  destroy: channel('forksafe:destroy'),
  discard: channel('forksafe:discard'),
  hookError: channel('forksafe:hookError'),
  leak: channel('forksafe:leak'),
  processChange: channel('forksafe:processChange'),
  pool: channel('forksafe:pool'),
}

/** Each event, and the channel on which it is also published. */
const channelOf: Readonly<Record<keyof PoolEvents, keyof typeof channels | undefined>> = {
  create: 'create',
  createError: 'create',
  destroy: 'destroy',
  hookError: 'hookError',
  leak: 'leak',
  processChange: 'processChange',
  close: undefined,
}

/**
 * Reports what happens in a pool: by events to users of the pool, and by `node:diagnostics_channel` to observers of all pools. A message
 * of a channel contains the details of the event and `identity`.
 */
export class Telemetry {
  readonly #events = new EventEmitter()

  constructor(private readonly identity: PoolMessage) {}

  /** @throws {TypeError} for an unknown event, or a listener that is not a function. */
  listen<E extends keyof PoolEvents>(
    method: 'on' | 'once' | 'off',
    event: E,
    listener: PoolListener<E>,
  ): void {
    const where = `Pool "${this.identity.pool}", \`${method}\``
    if (!Object.hasOwn(channelOf, event)) {
      throw expected(where, `the event to be one of ${Object.keys(channelOf).join(', ')}`, event)
    }
    checkValue(where, 'the listener', aFunction, listener)
    this.#events[method](event, listener)
  }

  emit<E extends keyof PoolEvents>(event: E, ...details: PoolEvents[E]): void {
    this.#publish(channelOf[event], details[0])
    this.#emit(event, details)
  }

  /** Returns the present async context, for `createEnded`. `undefined` if nobody watches creates. */
  opener(): AsyncResource | undefined {
    if (!channels.create.hasSubscribers) return undefined
    return new AsyncResource('ForkSafeCreate', { requireManualDestroy: true })
  }

  /** Emits how a create ended. Subscribers of the channel are called in the async context of `opener`. */
  createEnded<E extends 'create' | 'createError'>(
    event: E,
    details: PoolEvents[E][0],
    opener: AsyncResource | undefined,
  ): void {
    if (opener === undefined) this.#publish('create', details)
    else {
      opener.runInAsyncScope(() => this.#publish('create', details))
      opener.emitDestroy()
    }
    this.#emit(event, [details] as PoolEvents[E])
  }

  #emit<E extends keyof PoolEvents>(event: E, details: PoolEvents[E]): void {
    if (this.#events.listenerCount(event) === 0) return
    runApart(() => this.#events.emit(event, ...details))
  }

  /** Publishes that the pool was created or has closed. */
  life(event: PoolLifeMessage['event']): void {
    this.#publish('pool', { event })
  }

  discarded(id: number, generation: number): void {
    this.#publish('discard', { id, generation })
  }

  get releaseIsWatched(): boolean {
    return channels.release.hasSubscribers
  }

  released(id: number, generation: number, heldMillis: number): void {
    // Written out, because spread syntax would cost microseconds here.
    const { pool, poolId, driver } = this.identity
    channels.release.publish({ pool, poolId, driver, id, generation, heldMillis })
  }

  get acquireIsWatched(): boolean {
    return channels.acquire.hasSubscribers
  }

  /** Publishes how an `acquire` ends, in the caller's async context. `arrivals` returns how many callers have ever waited. */
  acquiring<T extends { readonly id: number; readonly generation: number }>(
    acquire: () => Promise<T>,
    arrivals: () => number,
  ): Promise<T> {
    const before = arrivals()
    const started = performance.now()
    const acquired = acquire()
    const waited = arrivals() !== before
    return acquired.then(
      (lease) => {
        this.#acquired(started, waited, lease.id, lease.generation)
        return lease
      },
      (error: unknown) => {
        this.#rejected(started, waited, error)
        throw error
      },
    )
  }

  /** Publishes when the request of a `share` is sent, or why it is not. Sends it in the caller's async context. */
  sharing<R, T>(
    generation: () => number,
    work: (resource: R) => unknown,
    share: (work: (resource: R) => unknown) => Promise<T>,
    arrivals: () => number,
  ): Promise<T> {
    const before = arrivals()
    const started = performance.now()
    let isSent = false
    let waited = false
    const sending = (resource: R): unknown => {
      isSent = true
      this.#acquired(started, waited, undefined, generation())
      return work(resource)
    }
    const answered = share(AsyncResource.bind(sending))
    waited = arrivals() !== before
    return answered.catch((error: unknown) => {
      if (!isSent) this.#rejected(started, waited, error)
      throw error
    })
  }

  #acquired(started: number, waited: boolean, id: number | undefined, generation: number): void {
    const { pool, poolId, driver } = this.identity
    const durationMillis = performance.now() - started
    channels.acquire.publish({ pool, poolId, driver, durationMillis, waited, id, generation })
  }

  #rejected(started: number, waited: boolean, error: unknown): void {
    const durationMillis = performance.now() - started
    this.#publish('acquire', { durationMillis, waited, error: errorFor(error) })
  }

  #publish(name: keyof typeof channels | undefined, details: object | undefined): void {
    const channel = name && channels[name]
    if (channel?.hasSubscribers) channel.publish({ ...this.identity, ...details })
  }
}
