import { AsyncResource } from 'node:async_hooks'
import type { Driver } from '../api/driver.ts'
import type { IdentityWatch, ProcessChangeListener, ProcessIdentity } from '../identity/identity.ts'
import { Clock, type Clocks } from '../tools/clock.ts'
import { type ParsedOptions, parseOptions } from './parse-options.ts'
import { Telemetry } from './telemetry.ts'

/** The async context of a pool's hooks. */
class HooksScope extends AsyncResource {
  /** Tells tools that look for open handles, such as Jest, that it keeps no process alive. */
  hasRef(): boolean {
    return false
  }
}

/** The state that the parts of one pool share. */
export class Context<R extends object> {
  readonly driver: Driver<R, unknown, object>
  readonly connection: unknown
  /** `min` and `max` change with `resize`. */
  readonly options: ParsedOptions
  readonly telemetry: Telemetry
  readonly clock: Clock
  readonly watch: IdentityWatch
  state: 'open' | 'closing' | 'closed' = 'open'
  readonly #async = new HooksScope('ForkSafePool')

  /**
   * `changes` hears of each change of process, and `leapt` of each leap of a clock, as `Clock` says.
   * @throws {TypeError} for a wrong or unknown option.
   */
  constructor(
    driver: Driver<R, unknown, object>,
    options: object,
    identity: ProcessIdentity,
    clocks: Clocks,
    changes: ProcessChangeListener,
    leapt: (back: boolean) => void,
  ) {
    this.driver = driver
    this.options = parseOptions(driver, options)
    this.connection = (options as { connection?: unknown }).connection
    if (typeof this.connection !== 'function') this.checkConnection(this.connection)
    this.telemetry = new Telemetry(this.options.name)
    this.clock = new Clock(clocks, leapt)
    this.watch = identity.watch(this.options.forkDetection, changes)
  }

  /** @throws what the driver's `checkConnection` throws. */
  checkConnection(connection: unknown): void {
    this.driver.checkConnection?.(connection)
  }

  /** Looks for a change of process. When it returns, everything that belongs to the other process has been disowned. */
  checkProcess(): void {
    this.watch.check()
  }

  /** Ends the async context: tools that follow `async_hooks` see its end now, and not when the pool is collected. */
  dispose(): void {
    this.#async.emitDestroy()
  }

  /** Calls a hook of the driver in the pool's own async context: it must not see that of the caller who needs a resource. */
  run<A extends unknown[], T>(hook: (...args: A) => T, ...args: A): T {
    return this.#async.runInAsyncScope(hook, this.driver, ...args)
  }
}
