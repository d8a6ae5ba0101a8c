/** The used part of pg-pool, which ships no types. */
declare module 'pg-pool' {
  import type { EventEmitter } from 'node:events'

  type Callback = (error?: Error) => void

  /** The part of a client that pg-pool needs. */
  interface PooledClient extends EventEmitter {
    connect(connected: Callback): void
    end(ended: Callback): void
    ref(): void
    unref(): void
  }

  type Lent<C> = C & { release(error?: Error): void }

  export default class Pool<C extends PooledClient> {
    constructor(options: { max?: number; Client: new (...args: never[]) => C })
    connect(): Promise<Lent<C>>
    readonly idleCount: number
    readonly totalCount: number
  }
}
