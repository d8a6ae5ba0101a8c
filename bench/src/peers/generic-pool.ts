import genericPool, { type Pool } from 'generic-pool'
import type { Peer, Resource } from './peer.ts'

export const peer: Peer<Resource, Pool<Resource>, Resource> = {
  newResource: () => ({ uses: 0 }),
  factory(create) {
    const factory = { create: async () => create(), destroy: async () => undefined }
    return (max) => genericPool.createPool(factory, { max })
  },
  verbs: (pool) => ({
    acquire: () => pool.acquire(),
    // The promise is already settled, so it is not awaited.
    release: (resource) => void pool.release(resource),
    resourceOf: (resource) => resource,
    use: (work) => pool.use(work),
    idle: () => pool.available,
    borrowed: () => pool.borrowed,
  }),
}
