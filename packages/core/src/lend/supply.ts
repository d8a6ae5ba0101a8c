import type { Context } from '../context/context.ts'
import type { Stock } from '../stock/stock.ts'
import { onAbort } from '../tools/signals.ts'
import { LONGEST_TIMER } from '../tools/timers.ts'
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
  ) {}

  /** Whether `max`, `maxConnecting` and the pause after a failure allow another create. */
  get mayOpen(): boolean {
    const { options } = this.context
    const stock = this.stock
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
    while (this.queue.waiting > this.stock.coming) {
      if (idle.upNext !== undefined) this.stock.test(idle.upNext)
      else if (this.mayOpen) this.stock.open()
      else break
    }
    const isKept = this.inUse && (this.context.options.eager || this.#warmUps.size > 0)
    if (isKept && this.context.state === 'open') this.#keepMin()
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
    const { min } = this.context.options
    const wanted = this.#warmUps.size > 0 ? Math.max(min, 1) : min
    while (
      stock.kept < wanted &&
      this.mayOpen &&
      (this.#warmUps.size > 0 || stock.creating === 0)
    ) {
      stock.open()
    }
    if (stock.kept - stock.creating >= wanted) for (const warmUp of this.#warmUps) warmUp()
  }
}
