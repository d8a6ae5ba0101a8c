import type { ShareOptions } from '../../src/index.ts'
import { FakeDriver, type FakeDriverOptions, type FakeResource } from './fake-driver.ts'
import type { FakePool } from './pools.ts'
import { follow, type Outcome, settled } from './time.ts'

/** A driver that can share its resources, with all hooks for it. */
export function sharingDriver(options: FakeDriverOptions = {}): FakeDriver {
  return new FakeDriver({
    share: ['accepts', 'full', 'flush'],
    maxInFlight: 3,
    ...options,
  })
}

/** A call of `share`, and where it was sent. */
export interface Shared {
  readonly promise: Promise<unknown>
  readonly outcome: Outcome<unknown>
  sentOn: FakeResource | undefined
}

/** Calls `share` with a request that the test answers. */
export function share(pool: FakePool, options?: ShareOptions): Shared {
  const call: { sentOn: FakeResource | undefined } = { sentOn: undefined }
  const promise = pool.share((resource) => {
    call.sentOn = resource
    return resource.request()
  }, options)
  const followed = follow(promise)
  return Object.defineProperty(Object.assign(call, { promise }), 'outcome', {
    get: () => followed.outcome,
  }) as unknown as Shared
}

export function shareMany(pool: FakePool, count: number, options?: ShareOptions): Shared[] {
  return Array.from({ length: count }, () => share(pool, options))
}

/** Answers the oldest requests in flight, and waits until the pool has reacted. */
export async function answer(resource: FakeResource, count = 1): Promise<void> {
  for (let i = 0; i < count; i++) resource.answer()
  await settled()
}

/** How many requests are in flight on each open resource. */
export function inFlightOn(driver: FakeDriver): number[] {
  return driver.open.map(({ requests }) => requests.length)
}

/** Answers everything in rounds, until nothing is in flight. */
export async function answerAll(driver: FakeDriver): Promise<void> {
  for (let round = 0; round < 1_000; round++) {
    const busy = driver.open.filter(({ requests }) => requests.length > 0)
    if (busy.length === 0) return
    for (const resource of busy) resource.answerAll()
    await settled()
  }
  throw new Error('There was no end of the requests.')
}

export function sorted(numbers: readonly number[]): number[] {
  return [...numbers].sort((a, b) => a - b)
}
