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
 * Core with every default on, which tells a fork by the means named. With `once` the change has been: it looks no
 * more.
 */
export function corePeer(
  identity: 'page' | 'ppid',
  forkDetection: ForkDetection = 'always',
): Peer<Resource, ForkSafePool<Resource>, Lease<Resource>> {
  return {
    newResource: () => ({ uses: 0 }),
    factory(create) {
      const driver = defineDriver({
        name: 'bench',
        create: async () => create(),
        // It has one, so that core asks itself at each acquire whether it is due.
        validate: () => true,
        destroy: () => undefined,
        discard: () => undefined,
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
