import type { Lease } from '../api/pool.ts'
import { PooledLease } from '../lend/lease.ts'

/**
 * Ends a lease whose resource does not answer: the pool discards the resource without a goodbye, which would not be answered either.
 * `error` says why. Does nothing if the lease has ended. A lease that no pool of this package made is destroyed.
 */
export function discardLease<R extends object>(lease: Lease<R>, error: Error): void {
  PooledLease.discard(lease, error)
}
