import { channel } from 'node:diagnostics_channel'
import { EventEmitter } from 'node:events'
import type { PoolEvents } from './surface.ts'
import { runApart } from './uncaught.ts'

const channels = {
  acquire: channel('forksafe:acquire'),
  create: channel('forksafe:create'),
  destroy: channel('forksafe:destroy'),
  discard: channel('forksafe:discard'),
  processChange: channel('forksafe:processChange'),
}

/**
 * Tells what happens in a pool: events for whoever holds the pool, `node:diagnostics_channel` for whoever watches all
 * pools. A message of a channel is what the event's listeners are given, and the pool's name as `pool`.
 */
export class Telemetry {
  readonly events = new EventEmitter()
  readonly #pool: string

  constructor(pool: string) {
    this.#pool = pool
  }

  emit<E extends keyof PoolEvents>(event: E, ...details: PoolEvents[E]): void {
    if (event === 'create' || event === 'destroy' || event === 'processChange') {
      this.#publish(event, details[0])
    } else if (event === 'createError') this.#publish('create', details[0])
    if (this.events.listenerCount(event) === 0) return
    runApart(() => this.events.emit(event, ...details))
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
