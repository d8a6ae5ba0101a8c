import { AsyncResource } from 'node:async_hooks'
import type { Driver } from '../api/driver.ts'
import type { IdentityWatch } from '../identity/identity.ts'
import { Clock, type Clocks } from '../tools/clock.ts'
import { type Counts, newCounts } from './counts.ts'
import { addLivePool, type LivePool, nextPoolId } from './live-pools.ts'
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
  /** `min` and `max` change with `resize`. */
  readonly options: ParsedOptions
  readonly id = nextPoolId()
  readonly counts: Counts = newCounts()
  readonly telemetry: Telemetry
  readonly clock: Clock
  /** Set by the constructor of the pool. */
  watch!: IdentityWatch
  state: 'open' | 'closing' | 'closed' = 'open'
  #leave: (() => void) | undefined
  readonly #async = new HooksScope('ForkSafePool')

  /** @throws {TypeError} for a wrong or unknown option. */
  constructor(
    readonly driver: Driver<R, unknown, object>,
    options: object,
    clocks: Clocks,
  ) {
    this.options = parseOptions(driver, options)
    if (this.options.budget !== undefined) driver.checkBudget?.(this.options.budget)
    const { connection, name } = this.options
    if (typeof connection !== 'function') driver.checkConnection?.(connection)
    this.telemetry = new Telemetry({ pool: name, poolId: this.id, driver: driver.name })
    this.clock = new Clock(clocks)
  }

  /** Checks for a change of process. When it returns, all resources of the other process have been disowned. */
  checkProcess(): void {
    this.watch.check()
  }

  /** Lists the pool among those of the process. */
  join(pool: LivePool): void {
    this.#leave = addLivePool(pool)
    this.telemetry.life('created')
  }

  /** The pool has closed. */
  leave(): void {
    this.#leave?.()
    if (this.#leave !== undefined) this.telemetry.life('closed')
    this.telemetry.emit('close')
    this.#dispose()
  }

  /** Ends the async context, so that tools that follow `async_hooks` see its end before the pool is collected. */
  #dispose(): void {
    this.#async.emitDestroy()
  }

  /** Calls a hook of the driver in the pool's own async context, not in that of the caller who needs a resource. */
  run<A extends unknown[], T>(hook: (...args: A) => T, ...args: A): T {
    return this.#async.runInAsyncScope(hook, this.driver, ...args)
  }
}
