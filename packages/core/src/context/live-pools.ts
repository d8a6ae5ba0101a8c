import type { PoolStats } from '../api/stats.ts'

/** A pool that is not closed, as an observer sees it. */
export interface LivePool {
  /** Never reused in a process. The same as `poolId` in messages. */
  readonly id: number
  /** The `name` option. */
  readonly name: string
  /** The name of the driver. */
  readonly driver: string
  /** The numbers at this moment. A change of the process is noticed first. */
  readonly stats: PoolStats
}

/** Shared by all copies of this module in a process, possibly of other versions. */
interface Registry {
  lastResourceId: number
  lastPoolId: number
  /** Weak, so that unused pools can be collected. Entries of collected pools are removed from time to time. */
  readonly pools: Set<WeakRef<LivePool>>
  /** The number of entries at which they are next removed. */
  many: number
}

const key = Symbol.for('forksafe.livePools')
const shared = globalThis as unknown as Record<symbol, Registry | undefined>
const registry: Registry = (shared[key] ??= {
  lastResourceId: 0,
  lastPoolId: 0,
  pools: new Set(),
  many: 64,
})

export function nextResourceId(): number {
  return ++registry.lastResourceId
}

export function nextPoolId(): number {
  return ++registry.lastPoolId
}

/** Adds a pool for as long as something else holds `pool`. Returns a function that removes it. */
export function addLivePool(pool: LivePool): () => void {
  if (registry.pools.size >= registry.many) registry.many = Math.max(64, 2 * livePools().length)
  const reference = new WeakRef(pool)
  registry.pools.add(reference)
  return () => void registry.pools.delete(reference)
}

/** Returns all pools of this process that are not closed, including those inside drop-ins, in the order of their creation. */
export function livePools(): LivePool[] {
  const pools: LivePool[] = []
  for (const reference of registry.pools) {
    const pool = reference.deref()
    if (pool === undefined) registry.pools.delete(reference)
    else pools.push(pool)
  }
  return pools
}
