import { channel } from 'node:diagnostics_channel'
import { EventEmitter } from 'node:events'
import { aFunction, checkValue, expected } from '../tools/rules.ts'
import { errorFor } from '../tools/thrown.ts'
import type { PoolEvents, PoolListener } from '../api/pool.ts'
import { runApart } from '../tools/uncaught.ts'

const channels = {
  acquire: channel('forksafe:acquire'),
  create: channel('forksafe:create'),
  destroy: channel('forksafe:destroy'),
  discard: channel('forksafe:discard'),
  processChange: channel('forksafe:processChange'),
}

/** Each event, and the channel on which it is also published. */
const channelOf: Readonly<Record<keyof PoolEvents, keyof typeof channels | undefined>> = {
  create: 'create',
  createError: 'create',
  destroy: 'destroy',
  hookError: undefined,
  leak: undefined,
  processChange: 'processChange',
  close: undefined,
}

/**
 * Reports what happens in a pool: by events to users of the pool, and by `node:diagnostics_channel` to observers of all pools. A message
 * of a channel contains the details of the event, and the pool's name as `pool`.
 */
export class Telemetry {
  readonly #events = new EventEmitter()

  constructor(private readonly pool: string) {}

  /** @throws {TypeError} for an unknown event, or a listener that is not a function. */
  listen<E extends keyof PoolEvents>(
    method: 'on' | 'once' | 'off',
    event: E,
    listener: PoolListener<E>,
  ): void {
    const where = `Pool "${this.pool}", \`${method}\``
    if (!Object.hasOwn(channelOf, event)) {
      throw expected(where, `the event to be one of ${Object.keys(channelOf).join(', ')}`, event)
    }
    checkValue(where, 'the listener', aFunction, listener)
    this.#events[method](event, listener)
  }

  emit<E extends keyof PoolEvents>(event: E, ...details: PoolEvents[E]): void {
    this.#publish(channelOf[event], details[0])
    if (this.#events.listenerCount(event) === 0) return
    runApart(() => this.#events.emit(event, ...details))
  }

  discarded(generation: number): void {
    this.#publish('discard', { generation })
  }

  get acquireIsWatched(): boolean {
    return channels.acquire.hasSubscribers
  }

  /** Publishes how an `acquire` ends. */
  acquiring<T extends { readonly generation: number }>(acquire: () => Promise<T>): Promise<T> {
    const told = this.#timed()
    return acquire().then(
      (lease) => {
        told({ generation: lease.generation })
        return lease
      },
      (error: unknown) => {
        told({ error: errorFor(error) })
        throw error
      },
    )
  }

  /** Publishes when the request of a `share` is sent, or why it is not, like the end of an `acquire`. */
  sharing<R, T>(
    generation: () => number,
    work: (resource: R) => unknown,
    share: (work: (resource: R) => unknown) => Promise<T>,
  ): Promise<T> {
    const told = this.#timed()
    let isSent = false
    const sending = (resource: R): unknown => {
      isSent = true
      told({ generation: generation() })
      return work(resource)
    }
    return share(sending).catch((error: unknown) => {
      if (!isSent) told({ error })
      throw error
    })
  }

  /** Returns a function that publishes the end of an `acquire` that begins now. */
  #timed(): (details: object) => void {
    const started = performance.now()
    return (details) =>
      this.#publish('acquire', { durationMillis: performance.now() - started, ...details })
  }

  #publish(name: keyof typeof channels | undefined, details: object | undefined): void {
    const channel = name && channels[name]
    if (channel?.hasSubscribers) channel.publish({ pool: this.pool, ...details })
  }
}
