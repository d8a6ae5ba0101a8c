import type { AsyncResource } from 'node:async_hooks'
import type { Clock } from './clock.ts'
import type { Driver } from './driver.ts'
import type { Entry } from './entry.ts'
import { StaleResourceError } from './errors.ts'
import type { ParsedOptions } from './parse-options.ts'
import type { PoolEvents } from './surface.ts'
import type { Telemetry } from './telemetry.ts'
import { startTimer } from './timers.ts'

/** What it takes to call a hook. */
export interface HooksHost<R extends object> {
  readonly driver: Driver<R, unknown, object>
  readonly options: ParsedOptions
  readonly telemetry: Telemetry
  readonly clock: Clock
  /** The pool's own async context: a hook must not see that of whoever happened to need a resource. */
  readonly context: AsyncResource
  /** Which incarnation of the process the pool takes this for. */
  readonly incarnation: number
  /** Looks for a change of process; where there is one, `incarnation` has been raised when this returns. */
  checkProcess(): void
}

export type Outcome<T> =
  { readonly ok: true; readonly value: T } | { readonly ok: false; readonly error: unknown }
type Hook = PoolEvents['hookError'][0]['hook']

/** Calls the driver's hooks for the resources of one generation: where they may run, for how long, and what if they fail. */
export class Hooks<R extends object> {
  readonly #host: HooksHost<R>
  readonly #generation: number
  readonly #incarnation: number

  constructor(host: HooksHost<R>, generation: number) {
    this.#host = host
    this.#generation = generation
    this.#incarnation = host.incarnation
  }

  /** The resources belong to another process. */
  get abandoned(): boolean {
    return this.#incarnation !== this.#host.incarnation
  }

  /**
   * The one place where a hook is called that may write to the server: only in the process that made the resource.
   * @throws {StaleResourceError} in any other.
   */
  call<A extends unknown[], T>(run?: (...args: A) => T, ...args: A): T | undefined {
    const { context, driver } = this.#host
    this.#host.checkProcess()
    if (this.abandoned) throw this.staleError()
    return run && context.runInAsyncScope(run, driver, ...args)
  }

  /** For the hooks that only touch this process: they must not fail, but may. */
  callGuarded<A extends unknown[]>(
    hook: Hook,
    run: ((...args: A) => void) | undefined,
    ...args: A
  ): void {
    if (run === undefined) return
    try {
      const { context, driver } = this.#host
      const result: unknown = context.runInAsyncScope(run, driver, ...args)
      if (result instanceof Promise) result.catch((error: unknown) => this.failed(hook, error))
    } catch (error) {
      this.failed(hook, error)
    }
  }

  /**
   * Starts a hook and calls `done` once: when it settles, when its time is up, or when `entry.giveUp` is called. In the
   * last two cases `giveUp` is called as well, and what the hook does after that is of no consequence, even a rejection.
   */
  callBounded<T>(
    entry: Entry<R>,
    hook: 'create' | 'validate' | 'reset' | 'destroy',
    millis: number,
    start: () => T | Promise<T>,
    done: (outcome: Outcome<T>) => void,
    giveUp?: (reason: Error) => void,
  ): void {
    let settled = false
    const settle = (outcome: Outcome<T>): void => {
      if (settled) return
      settled = true
      timer.clear()
      entry.giveUp = undefined
      entry.generation.countOn(entry)
      done(outcome)
    }
    const fail = (error: unknown): void => {
      // What ends in a forked child was the parent's to try: there nothing has failed, and below nothing has succeeded.
      this.#host.checkProcess()
      if (!settled && hook !== 'create') this.failed(hook, error)
      settle({ ok: false, error })
    }
    const timer = startTimer(() => {
      const error = new Error(`The driver's \`${hook}\` took longer than ${millis} ms.`)
      entry.mute = true
      giveUp?.(error)
      fail(error)
    }, millis)
    entry.calledAt = this.#host.clock.monotonic
    entry.giveUp = (error) => {
      giveUp?.(error)
      settle({ ok: false, error })
    }
    // Even what throws at once ends in a turn of its own: nobody is called back in the middle of asking.
    new Promise<T>((resolve) => resolve(start())).then((value) => {
      this.#host.checkProcess()
      settle({ ok: true, value })
    }, fail)
  }

  staleError(): StaleResourceError {
    return new StaleResourceError(this.#host.options.name, `generation ${this.#generation}`)
  }

  /** Tells of a hook that failed, unless it was another process's to call. */
  failed(hook: Hook, error: unknown): void {
    if (this.abandoned && hook !== 'discard') return
    this.#host.telemetry.emit('hookError', { generation: this.#generation, hook, error })
  }
}
