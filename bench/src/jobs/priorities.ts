import { createForkSafePool, defineDriver, type Lease } from '@forksafe/core'
import type { Answer } from './answer.ts'
import { expectEqual } from './expect.ts'
import type { Job } from './job.ts'

export const WAITS = 40_000

const WARM_UP_WAITS = 2_000

/** The priorities of the waits, in the order of the calls. */
const orders = {
  'one priority': () => 0,
  'distinct, rising': (caller: number) => caller,
  'distinct, falling': (caller: number, waits: number) => waits - caller,
  // The factor is a prime that does not divide the number of waits, so that each priority occurs once.
  'distinct, mixed': (caller: number, waits: number) => (caller * 7_919) % waits,
}

export type PriorityOrder = keyof typeof orders
export const priorityOrders = Object.keys(orders) as PriorityOrder[]

export interface PrioritiesRequest {
  /** The order, one of {@link priorityOrders}. */
  readonly peer?: string
  readonly warmUp?: boolean
}

const driver = defineDriver({
  name: 'bench',
  create: async () => ({}),
  destroy: () => undefined,
  discard: () => undefined,
})

/** Measures the nanoseconds for each wait, from the first call until all callers have been served. */
export async function start(): Promise<Job<PrioritiesRequest, Answer>> {
  const pool = createForkSafePool(driver, { connection: undefined, max: 1 })

  async function measure(order: PriorityOrder, waits: number): Promise<Answer> {
    const priorityOf = orders[order]
    const priorities = Array.from({ length: waits }, (_, caller) => priorityOf(caller, waits))
    let last = -Infinity
    let inTurn = 0
    const held = await pool.acquire()
    const processor = process.cpuUsage()
    const started = performance.now()
    const callers = priorities.map((priority) =>
      pool.acquire({ priority }).then((lease: Lease<object>) => {
        if (priority >= last) inTurn++
        last = priority
        lease.release()
      }),
    )
    held.release()
    await Promise.all(callers)
    const took = performance.now() - started
    const { user, system } = process.cpuUsage(processor)
    expectEqual(inTurn, waits, `${order}: callers served in turn`)
    return { value: (took / waits) * 1e6, processor: ((user + system) / waits) * 1000 }
  }

  return {
    answer: ({ peer, warmUp = false }) =>
      measure(peer as PriorityOrder, warmUp ? WARM_UP_WAITS : WAITS),
    finish: () => pool.close(),
  }
}
