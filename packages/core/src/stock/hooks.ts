import { StaleResourceError } from '../api/errors.ts'
import type { HookName } from '../api/driver.ts'
import type { Context } from '../context/context.ts'
import { errorFor } from '../tools/thrown.ts'
import { startTimer } from '../tools/timers.ts'
import type { Entry } from './entry.ts'

export type Outcome<T> =
  { readonly ok: true; readonly value: T } | { readonly ok: false; readonly error: unknown }

/** Calls the driver's hooks, in the right process, with a time limit, and with their failures handled. */
export class Hooks<R extends object> {
  constructor(private readonly context: Context<R>) {}

  /**
   * Calls a hook that may write to the server. This is the only place that does, and only in the process that opened the
   * resource.
   * @throws {StaleResourceError} in any other process.
   */
  call<A extends unknown[], T>(
    entry: Entry<R>,
    run?: (...args: A) => T,
    ...args: A
  ): T | undefined {
    this.context.checkProcess()
    if (entry.generation.disowned) throw this.staleError(entry)
    return run && this.context.run(run, ...args)
  }

  /** Calls a hook that affects only this process. Reports its failure by an event. */
  callGuarded<A extends unknown[]>(
    entry: Entry<R>,
    hook: HookName,
    run: ((...args: A) => void) | undefined,
    ...args: A
  ): void {
    if (run === undefined) return
    try {
      const result: unknown = this.context.run(run, ...args)
      if (result instanceof Promise) {
        result.catch((error: unknown) => this.failed(entry, hook, error))
      }
    } catch (error) {
      this.failed(entry, hook, error)
    }
  }

  /**
   * Starts a hook and calls `done` once: when it settles, when its time is up, or when `entry.giveUp` is called; but not in a
   * process that does not own the resource. In the last two cases `abort` is called too, and nothing that the hook does later
   * matters, not even a rejection.
   */
  callBounded<T>(
    entry: Entry<R>,
    hook: 'create' | 'validate' | 'reset' | 'destroy',
    millis: number,
    start: () => T | Promise<T>,
    done: (outcome: Outcome<T>) => void,
    abort?: (reason: Error) => void,
  ): void {
    let settled = false
    const settle = (outcome: Outcome<T>): void => {
      if (settled) return
      settled = true
      timer.clear()
      entry.giveUp = undefined
      if (!entry.generation.disowned) done(outcome)
    }
    const fail = (error: unknown): void => {
      // After a fork, the hook is the parent's: record neither failure nor success.
      this.context.checkProcess()
      if (!settled && hook !== 'create') this.failed(entry, hook, error)
      settle({ ok: false, error })
    }
    const timer = startTimer(() => {
      const error = new Error(`The driver's \`${hook}\` took longer than ${millis} ms.`)
      entry.isUnresponsive = true
      abort?.(error)
      fail(error)
    }, millis)
    entry.calledAt = this.context.clock.monotonic
    entry.giveUp = (error) => {
      abort?.(error)
      settle({ ok: false, error })
    }
    // A hook that throws synchronously also fails in a later microtask, so that `done` is never called during this call.
    new Promise<T>((resolve) => resolve(start())).then((value) => {
      this.context.checkProcess()
      settle({ ok: true, value })
    }, fail)
  }

  staleError({ generation }: Entry<R>): StaleResourceError {
    return new StaleResourceError(this.context.options.name, `generation ${generation.number}`)
  }

  /** Calls the driver's `isUsable`. Not in the pool's async context, because it runs at every acquire. */
  isUsable(entry: Entry<R>): boolean {
    const { driver } = this.context
    if (driver.isUsable === undefined) return true
    try {
      return driver.isUsable(entry.resource as R)
    } catch (error) {
      this.failed(entry, 'isUsable', error)
      return false
    }
  }

  /** Reports a failed hook, unless it was another process's to call. */
  failed({ id, generation }: Entry<R>, hook: HookName, error: unknown): void {
    if (generation.disowned && hook !== 'discard') return
    this.context.telemetry.emit('hookError', {
      id,
      generation: generation.number,
      hook,
      error: errorFor(error),
    })
  }
}
