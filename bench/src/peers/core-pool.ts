import {
  afterFork,
  createForkSafePool,
  defineDriver,
  type ForkDetection,
  type ForkSafePool,
  type Lease,
} from '@forksafe/core'
import { NotHereError } from '../jobs/job.ts'
import type { Peer, Resource } from './peer.ts'

/**
 * Core with all defaults, noticing forks by the source `identity`. With `once`, the first change has already happened, so it no
 * longer checks. If it `shares`, its resources could be shared, but are not.
 */
export function corePeer(
  identity: 'page' | 'ppid',
  forkDetection: ForkDetection = 'always',
  shares = false,
): Peer<Resource, ForkSafePool<Resource>, Lease<Resource>> {
  return {
    newResource: () => ({ uses: 0 }),
    factory(create) {
      const driver = defineDriver({
        name: 'bench',
        create: async () => create(),
        // With a `validate`, core must decide at each acquire whether a validation is due.
        validate: () => true,
        destroy: () => undefined,
        discard: () => undefined,
        ...(shares && {
          share: { maxInFlight: 16, begin: () => undefined, end: () => undefined },
        }),
      })
      return (max) => {
        const pool = createForkSafePool(driver, { connection: undefined, max, forkDetection })
        if (forkDetection === 'once') afterFork()
        return pool
      }
    },
    verbs(pool) {
      if (pool.stats.identity !== identity) {
        throw new NotHereError(
          `core tells a fork by "${pool.stats.identity}" here, not by "${identity}"`,
        )
      }
      return {
        acquire: () => pool.acquire(),
        release: (lease) => lease.release(),
        resourceOf: (lease) => lease.resource,
        use: (work) => pool.use(work),
        idle: () => pool.stats.idle,
        borrowed: () => pool.stats.borrowed,
      }
    },
  }
}
