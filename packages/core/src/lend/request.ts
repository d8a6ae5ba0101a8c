import { AsyncResource } from 'node:async_hooks'
import type { ShareOptions } from '../api/pool.ts'
import type { Moment } from '../tools/clock.ts'
import type { Linked } from '../tools/list.ts'
import type { Timer } from '../tools/timers.ts'
import { rejectWith, type Waiter } from './queue.ts'
import type { Shared } from './shared.ts'

/** A call of `share`: it waits in the queue, or it is in flight on a shared resource. */
export class Request<R extends object> implements Linked<Request<R>> {
  previous: Request<R> | undefined = undefined
  next: Request<R> | undefined = undefined
  readonly work: (resource: R) => unknown
  readonly signal: AbortSignal | undefined
  readonly key: string | undefined
  readonly seal: boolean
  readonly priority: number
  /** The caller in the queue, if it had to wait. */
  readonly waiter: Waiter<R> | undefined
  /** Its resource while it is in flight. */
  shared: Shared<R> | undefined = undefined
  /** When it was sent, for one with a key. */
  sent: Moment | undefined = undefined
  /** Removes the abort listener of a request in flight. */
  stopListening: (() => void) | undefined = undefined
  /** Set once its caller has given up. Ends the resource if no answer comes. */
  abandoned: Timer | undefined = undefined
  readonly promise: Promise<unknown>
  resolve!: (value: never) => void
  reject!: (error: unknown) => void
  /** The async context of a caller that had to wait. */
  readonly #scope: AsyncResource | undefined

  constructor(
    work: (resource: R) => unknown,
    options: ShareOptions | undefined,
    waiter?: Waiter<R>,
  ) {
    this.work = work
    this.signal = options?.signal
    this.key = options?.key
    this.seal = options?.seal ?? false
    this.priority = options?.priority ?? 0
    this.waiter = waiter
    this.#scope = waiter && new AsyncResource('ForkSafeRequest')
    if (waiter === undefined) {
      this.promise = new Promise((resolve, reject) => {
        this.resolve = resolve
        this.reject = reject
      })
    } else {
      this.promise = waiter.promise
      this.resolve = waiter.resolve
      this.reject = waiter.reject
    }
  }

  /** Calls `work` in the async context of its caller. */
  send(resource: R): unknown {
    const { work } = this
    return this.#scope === undefined
      ? work(resource)
      : this.#scope.runInAsyncScope(work, undefined, resource)
  }

  /** Rejects like `Waiter.rejectWith`. */
  rejectWith(create: () => unknown): void {
    rejectWith(create, this.resolve, this.reject)
  }
}
