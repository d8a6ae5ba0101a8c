import type { Context } from '../context/context.ts'
import type { Stock } from '../stock/stock.ts'
import { onAbort } from '../tools/signals.ts'
import { LONGEST_TIMER } from '../tools/timers.ts'
import type { Permits } from './permits.ts'
import type { Queue } from './queue.ts'

/** Ends a `warmUp`: with the error that `failure` creates, if it is given. */
type WarmUp = (failure?: () => unknown) => void

/** Decides when another resource is opened: for waiting callers, for `min`, and for `warmUp`. */
export class Supply<R extends object> {
  /** `false` in a forked child that has not used the pool: it opens nothing for `min`. */
  inUse = true
  readonly #warmUps = new Set<WarmUp>()

  constructor(
    private readonly context: Context<R>,
    private readonly stock: Stock<R>,
    private readonly queue: Queue<R>,
    private readonly permits: Permits<R> | undefined,
    /** Whether requests that share resources would use another one. */
    private readonly isCrowded: () => boolean,
  ) {}

  /** Whether another resource can be opened now, as far as is known. */
  get mayOpen(): boolean {
    return this.#hasRoom && this.permits?.short !== true
  }

  /** At most `maxConnecting` creates at once. While creates fail, one after a pause. None while the pool owes one to its budget. */
  get #hasRoom(): boolean {
    const { options } = this.context
    const stock = this.stock
    if (this.permits !== undefined && stock.kept >= this.permits.ceiling) return false
    if (stock.size >= options.max || stock.creating >= options.maxConnecting) return false
    const { backoff } = stock
    return backoff.failure === undefined || (!backoff.pausing && !stock.probing)
  }

  /** The number of resources that waiting callers can count on: on their way, or to be opened as soon as possible. */
  get promised(): number {
    const { coming, size, backoff } = this.stock
    if (backoff.failure !== undefined) return coming
    return coming + Math.max(0, this.context.options.max - size)
  }

  /** Opens and tests resources for waiting callers, `min` and `warmUp`. Can be called at any time. */
  run(): void {
    const { idle } = this.stock
    const permits = this.permits
    if (permits !== undefined && this.stock.kept <= permits.ceiling) permits.ceiling = Infinity
    while (this.queue.waiting > this.stock.coming) {
      if (idle.upNext !== undefined) this.stock.test(idle.upNext)
      else if (!this.#hasRoom || !this.#open()) break
    }
    if (permits !== undefined && this.isCrowded() && this.#hasRoom) this.#open()
    if (this.#keepsMin) this.#keepMin()
    permits?.want(this.#hasRoom && this.lacking > 0)
  }

  /** The number of resources that are missing, for waiting callers or for `min`, and that `max` allows. */
  get lacking(): number {
    const { coming, kept, size } = this.stock
    const missing = Math.max(
      this.queue.waiting - coming,
      this.#keepsMin ? this.#wanted - kept : 0,
      this.isCrowded() ? 1 : 0,
    )
    return Math.max(0, Math.min(missing, this.context.options.max - size))
  }

  get #keepsMin(): boolean {
    const { options, state } = this.context
    return this.inUse && (options.eager || this.#warmUps.size > 0) && state === 'open'
  }

  get #wanted(): number {
    const { min } = this.context.options
    return this.#warmUps.size > 0 ? Math.max(min, 1) : min
  }

  /** Opens a resource. With a budget: if there is a permit for it. */
  #open(): boolean {
    const permit = this.permits?.take()
    if (this.permits !== undefined && permit === undefined) return false
    this.stock.open(permit)
    return true
  }

  /** Resolves when `min` resources are open, and at least one. */
  async warmUp(signal: AbortSignal | undefined): Promise<void> {
    this.inUse = true
    let warmUp!: WarmUp
    const ended = new Promise<(() => unknown) | undefined>((resolve) => {
      warmUp = resolve
    })
    this.#warmUps.add(warmUp)
    const stopListening = signal && onAbort(signal, () => warmUp(() => signal.reason))
    // Keeps the process alive, also between retries.
    const hold = setInterval(() => undefined, LONGEST_TIMER)
    this.run()
    try {
      const failure = await ended
      // Created here, so that the stack contains the caller.
      if (failure !== undefined) throw failure()
    } finally {
      this.#warmUps.delete(warmUp)
      clearInterval(hold)
      stopListening?.()
    }
  }

  rejectWarmUps(error: () => unknown): void {
    for (const warmUp of this.#warmUps) warmUp(error)
  }

  /** One at a time, unless `warmUp` waits for them. */
  #keepMin(): void {
    const stock = this.stock
    const wanted = this.#wanted
    while (
      stock.kept < wanted &&
      this.#hasRoom &&
      (this.#warmUps.size > 0 || stock.creating === 0) &&
      this.#open()
    );
    if (stock.kept - stock.creating >= wanted) for (const warmUp of this.#warmUps) warmUp()
  }
}
