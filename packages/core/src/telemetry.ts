import { channel } from 'node:diagnostics_channel'
import { EventEmitter } from 'node:events'
import { show } from './rules.ts'
import type { PoolEvents, PoolListener } from './surface.ts'
import { runApart } from './uncaught.ts'

const channels = {
  acquire: channel('forksafe:acquire'),
  create: channel('forksafe:create'),
  destroy: channel('forksafe:destroy'),
  discard: channel('forksafe:discard'),
  processChange: channel('forksafe:processChange'),
}

const known: Readonly<Record<keyof PoolEvents, true>> = {
  create: true,
  createError: true,
  destroy: true,
  hookError: true,
  leak: true,
  processChange: true,
  close: true,
}
const names = new Set<unknown>(Object.keys(known))

/**
 * Tells what happens in a pool: events for whoever holds the pool, `node:diagnostics_channel` for whoever watches all
 * pools. A message of a channel is what the event's listeners are given, and the pool's name as `pool`.
 */
export class Telemetry {
  readonly #events = new EventEmitter()
  readonly #pool: string

  constructor(pool: string) {
    this.#pool = pool
  }

  /** @throws {TypeError} for what is no event, and for what is no function. */
  listen<E extends keyof PoolEvents>(
    method: 'on' | 'once' | 'off',
    event: E,
    listener: PoolListener<E>,
  ): void {
    const where = `Pool "${this.#pool}", \`${method}\``
    if (!names.has(event)) {
      throw new TypeError(
        `${where}: expected the event to be one of ${[...names].join(', ')}, got ${show(event)}.`,
      )
    }
    if (typeof listener !== 'function') {
      throw new TypeError(
        `${where}: expected the listener to be a function, got ${show(listener)}.`,
      )
    }
    this.#events[method](event, listener)
  }

  emit<E extends keyof PoolEvents>(event: E, ...details: PoolEvents[E]): void {
    if (event === 'create' || event === 'destroy' || event === 'processChange') {
      this.#publish(event, details[0])
    } else if (event === 'createError') this.#publish('create', details[0])
    if (this.#events.listenerCount(event) === 0) return
    runApart(() => this.#events.emit(event, ...details))
  }

  discarded(generation: number): void {
    this.#publish('discard', { generation })
  }

  get acquireIsWatched(): boolean {
    return channels.acquire.hasSubscribers
  }

  /** Tells how an `acquire` ends, and passes it on. */
  acquiring<T extends { readonly generation: number }>(acquire: () => Promise<T>): Promise<T> {
    const started = performance.now()
    const told = (details: object): void =>
      this.#publish('acquire', { durationMillis: performance.now() - started, ...details })
    return acquire().then(
      (lease) => {
        told({ generation: lease.generation })
        return lease
      },
      (error: unknown) => {
        told({ error })
        throw error
      },
    )
  }

  #publish(name: keyof typeof channels, details: object | undefined): void {
    if (channels[name].hasSubscribers) channels[name].publish({ pool: this.#pool, ...details })
  }
}
