import { Pace } from '../measure/pace.ts'
import { loadPeer, type PeerName } from '../peers/names.ts'
import type { Resource, Verbs } from '../peers/peer.ts'
import type { Answer } from './answer.ts'
import { expectEqual } from './expect.ts'
import type { Job } from './job.ts'
import { proveLending } from './proof.ts'

export const RESOURCES = 10
export const CALLERS = 100

/**
 * `solo`: one caller. `crowd`: 100 callers over 10 resources. `crowdWithWork`: the same, with one `await null` between acquire
 * and release. `look`: one caller that reads the resource. `use`: one caller, with a callback that does next to nothing.
 */
export type LendingScenario = 'solo' | 'crowd' | 'crowdWithWork' | 'look' | 'use'

export interface LendingArgument {
  readonly peer: PeerName
}

export interface LendingRequest {
  readonly scenario: LendingScenario
  readonly millis: number
  /** Only warms up, until the code is compiled. The answer is meaningless. */
  readonly warmUp?: boolean
  /** The peer that the worker was started with. */
  readonly peer?: string
}

export async function start({ peer: name }: LendingArgument): Promise<Job<LendingRequest, Answer>> {
  const peer = await loadPeer(name)
  const made: Resource[] = []
  const open = peer.factory(() => {
    const resource = peer.newResource()
    made.push(resource)
    return resource
  })
  const pool = peer.verbs(open(RESOURCES))
  let proven = await proveLending(pool, RESOURCES, CALLERS)
  const loops = new Loops(pool)
  const paces: Record<LendingScenario, Pace> = {
    solo: new Pace((count) => loops.lend(count), 1_000),
    crowd: new Pace((count) => loops.lendToMany(count), 1_000),
    crowdWithWork: new Pace((count) => loops.lendToManyWithWork(count), 1_000),
    look: new Pace((count) => loops.look(count), 1_000),
    use: new Pace((count) => loops.use(count), 1_000),
  }

  return {
    async answer({ scenario, millis, warmUp = false }) {
      const pace = paces[scenario]
      if (warmUp) await pace.warmUp(millis)
      // Excludes the pool's work after a pause, such as validating idle resources and starting timers.
      else await pace.run(1)
      const { count, millis: took, processorMillis } = await pace.run(millis)
      // The nanoseconds for one acquire and release, or one `use`.
      return { value: (took / count) * 1e6, processor: (processorMillis / count) * 1e6 }
    },

    async finish() {
      // The pool may have replaced resources that were idle for long.
      proven += await proveLending(pool, RESOURCES, CALLERS)
      const uses = made.reduce((sum, resource) => sum + resource.uses, 0)
      expectEqual(pool.idle(), RESOURCES, `${name}: idle at the end`)
      expectEqual(pool.borrowed(), 0, `${name}: borrowed at the end`)
      expectEqual(uses - proven, loops.seen, `${name}: uses counted by the resources`)
      expectEqual(loops.lent, loops.asked, `${name}: leases`)
    },
  }
}

/** The measured loops, which are the same for every peer. */
class Loops<H> {
  asked = 0
  lent = 0
  seen = 0
  readonly #pool: Verbs<H>

  constructor(pool: Verbs<H>) {
    this.#pool = pool
  }

  async lend(count: number): Promise<void> {
    const pool = this.#pool
    let lent = 0
    for (let i = 0; i < count; i++) {
      const held = await pool.acquire()
      if (held !== undefined) lent++
      pool.release(held)
    }
    this.asked += count
    this.lent += lent
  }

  async lendToMany(count: number): Promise<void> {
    await Promise.all(Array.from({ length: CALLERS }, () => this.lend(count / CALLERS)))
  }

  async lendToManyWithWork(count: number): Promise<void> {
    await Promise.all(Array.from({ length: CALLERS }, () => this.#lendWithWork(count / CALLERS)))
  }

  async #lendWithWork(count: number): Promise<void> {
    const pool = this.#pool
    let lent = 0
    for (let i = 0; i < count; i++) {
      const held = await pool.acquire()
      if (held !== undefined) lent++
      // oxlint-disable-next-line typescript/await-thenable, unicorn/no-unnecessary-await -- the shortest possible work
      await null
      pool.release(held)
    }
    this.asked += count
    this.lent += lent
  }

  async look(count: number): Promise<void> {
    const pool = this.#pool
    for (let i = 0; i < count; i++) {
      const held = await pool.acquire()
      pool.resourceOf(held).uses++
      pool.release(held)
    }
    this.seen += count
  }

  async use(count: number): Promise<void> {
    const pool = this.#pool
    const work = async (resource: Resource): Promise<void> => {
      resource.uses++
    }
    for (let i = 0; i < count; i++) await pool.use(work)
    this.seen += count
  }
}
