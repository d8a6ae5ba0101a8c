import { setTimeout } from 'node:timers/promises'
import { loadPeer, type PeerName } from '../peers/names.ts'
import type { Resource } from '../peers/peer.ts'
import { expectEqual } from './expect.ts'
import type { Job } from './job.ts'

export const POOLS = 1_000
export const RESOURCES = 5_000

export interface HeapArgument {
  readonly peer: PeerName
}

/** A pool that has lent nothing yet, or an idle resource. */
export type HeapRequest = 'pool' | 'resource'

/** The bytes of heap for one of them. */
export type HeapAnswer = number

/** The number of concurrent holders while a pool is filled. lightning-pool refuses a queue of more than 1,000. */
const BATCH = 500

/** Requires a worker that was started with `--expose-gc`. */
export async function start({ peer: name }: HeapArgument): Promise<Job<HeapRequest, HeapAnswer>> {
  const peer = await loadPeer(name)
  // Allocated before the heap is first measured, so that it is not counted.
  const spare = Array.from({ length: RESOURCES }, () => peer.newResource())
  let taken = 0
  const open = peer.factory(() => spare[taken++] ?? peer.newResource())
  // So is everything that all pools share.
  const kept: object[] = [open(1), open(1)]
  for (const pool of kept) peer.verbs(pool)

  async function pools(): Promise<number> {
    const before = await heapUsed()
    for (let i = 0; i < POOLS; i++) kept.push(open(10))
    return ((await heapUsed()) - before) / POOLS
  }

  async function resources(): Promise<number> {
    const pool = open(RESOURCES)
    kept.push(pool)
    const verbs = peer.verbs(pool)
    const before = await heapUsed()
    await lendAll(verbs)
    const after = await heapUsed()
    expectEqual(verbs.idle(), RESOURCES, `${name}: idle resources`)
    expectEqual(taken, RESOURCES, `${name}: resources made`)
    expectEqual(sumOfUses(spare), RESOURCES, `${name}: resources lent`)
    return (after - before) / RESOURCES
  }

  async function lendAll({
    acquire,
    release,
    resourceOf,
  }: ReturnType<typeof peer.verbs>): Promise<void> {
    const held: unknown[] = []
    while (held.length < RESOURCES) {
      held.push(...(await Promise.all(Array.from({ length: BATCH }, acquire))))
    }
    for (const one of held) resourceOf(one).uses++
    for (const one of held) release(one)
  }

  return {
    answer: (request) => (request === 'pool' ? pools() : resources()),
    async finish() {
      if (kept.length < 3) throw new Error(`${name}: nothing was measured.`)
    },
  }
}

function sumOfUses(resources: readonly Resource[]): number {
  return resources.reduce((sum, { uses }) => sum + uses, 0)
}

/** Returns the heap size after all garbage was collected, including finalizers and cancelled timers. */
async function heapUsed(): Promise<number> {
  const { gc } = globalThis
  if (gc === undefined) throw new Error('Start the worker with --expose-gc.')
  for (let i = 0; i < 4; i++) {
    gc()
    await setTimeout(5)
  }
  gc()
  return process.memoryUsage().heapUsed
}
