import { LONGEST_TIMER } from '../tools/timers.ts'
import type { Member } from './member.ts'
import type { EvictionConfig, Evictor, PooledResource } from './surface.ts'

/**
 * Evicts as generic-pool does: resources that have been idle for longer than `idleTimeoutMillis`, and those that have been idle
 * for longer than `softIdleTimeoutMillis` while more than `min` are idle.
 */
export class DefaultEvictor implements Evictor {
  /** Tells whether to end this resource, given the number of idle ones. */
  evict(
    { softIdleTimeoutMillis, idleTimeoutMillis, min }: EvictionConfig,
    { lastIdleTime }: PooledResource<unknown>,
    availableObjectsCount: number,
  ): boolean {
    const idleMillis = Date.now() - lastIdleTime
    const isSpare =
      softIdleTimeoutMillis > 0 && softIdleTimeoutMillis < idleMillis && min < availableObjectsCount
    return isSpare || idleTimeoutMillis < idleMillis
  }
}

interface RunConfig extends EvictionConfig {
  readonly evictionRunIntervalMillis: number
  readonly numTestsPerEvictionRun: number
}

/** Periodically passes a few idle resources to an evictor, in turn. */
export class EvictionRuns<T> {
  readonly #evictor: Evictor
  readonly #config: RunConfig
  readonly #run: () => void
  #timer: NodeJS.Timeout | undefined
  /** The resource that was checked last. */
  #last: Member<T> | undefined

  /** Calls `run` in each interval. `run` must end the resources that `choose` returns. */
  constructor(evictor: Evictor, config: RunConfig, run: () => void) {
    this.#evictor = evictor
    this.#config = config
    this.#run = run
  }

  start(): void {
    const millis = Math.min(this.#config.evictionRunIntervalMillis, LONGEST_TIMER)
    if (millis > 0) this.#timer ??= setInterval(this.#run, millis).unref()
  }

  stop(): void {
    clearInterval(this.#timer)
    this.#timer = undefined
    this.#last = undefined
  }

  /** Returns the idle resources to end. */
  choose(idle: readonly Member<T>[]): Member<T>[] {
    const from = this.#last === undefined ? 0 : idle.indexOf(this.#last) + 1
    const inTurn = [...idle.slice(from), ...idle.slice(0, from)]
    const chosen: Member<T>[] = []
    for (const resource of inTurn.slice(0, this.#config.numTestsPerEvictionRun)) {
      const left = idle.length - chosen.length
      this.#last = resource
      if (this.#evictor.evict(this.#config, resource, left)) chosen.push(resource)
    }
    return chosen
  }
}
