import { LONGEST_TIMER } from '../tools/timers.ts'
import type { Member } from './member.ts'
import type { EvictionConfig, Evictor, PooledResource } from './surface.ts'

/**
 * generic-pool's rule: what has been idle for longer than `idleTimeoutMillis` ends, and so does what has been idle for longer
 * than `softIdleTimeoutMillis` while more than `min` are idle.
 */
export class DefaultEvictor implements Evictor {
  /** Whether this one ends, while so many are idle. */
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

/** Has an evictor look at a few idle resources now and then, at one after the other. */
export class EvictionRuns<T> {
  readonly #evictor: Evictor
  readonly #config: RunConfig
  readonly #run: () => void
  #timer: NodeJS.Timeout | undefined
  /** The one it looked at last. */
  #last: Member<T> | undefined

  /** `run` is called when it is time: it is to end what `choose` chooses. */
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

  /** Those of the idle that are to end. */
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
