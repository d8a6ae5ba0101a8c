/** The part of pg-pool that is used here. It ships no types. */
declare module 'pg-pool' {
  import type { EventEmitter } from 'node:events'

  type Callback = (error?: Error) => void

  /** What pg-pool needs of a client. */
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
