import { setImmediate } from 'node:timers/promises'
import { BlockedLoop } from '../measure/blocked.ts'
import { openStorm, type StormKind } from '../peers/storms.ts'
import type { Answer } from './answer.ts'
import { expectEqual } from './expect.ts'
import type { Job } from './job.ts'

export const STORM_CALLERS = 10_000

const WARM_UP_CALLERS = 1_000

export interface StormArgument {
  readonly kind: StormKind
  readonly peer: string
}

export interface StormRequest {
  readonly peer?: string
  readonly warmUp?: boolean
}

/** Measures the longest time for which the event loop was blocked, in milliseconds. */
export async function start({ kind, peer }: StormArgument): Promise<Job<StormRequest, Answer>> {
  let storms = 0
  return {
    answer({ warmUp = false }) {
      storms++
      return measure(kind, peer, warmUp ? WARM_UP_CALLERS : STORM_CALLERS)
    },

    async finish() {
      if (storms === 0) throw new Error('Nothing was measured.')
    },
  }
}

async function measure(kind: StormKind, peer: string, callers: number): Promise<Answer> {
  const storm = await openStorm(kind, peer)
  let served = 0
  let rejected = 0
  let end = (): void => undefined
  const ended = new Promise<void>((resolve) => (end = resolve))
  const count = (error: unknown): void => {
    if (!(error instanceof Error)) served++
    else if (++rejected === callers) end()
  }
  for (let caller = 0; caller < callers; caller++) storm.acquire().then(count, count)
  // The time of the calls themselves is not measured.
  await setImmediate()
  await setImmediate()
  const loop = new BlockedLoop()
  storm.begin()
  await ended
  const { millis, processorMicros } = loop.stop()
  expectEqual(served, 0, `${peer}: callers served`)
  await storm.end()
  return { value: millis, processor: processorMicros * 1000 }
}
