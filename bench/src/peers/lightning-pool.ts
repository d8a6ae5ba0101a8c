import { createPool, type Pool } from 'lightning-pool'
import { type Peer, type Resource, useOf } from './peer.ts'

export const peer: Peer<Resource, Pool<Resource>, Resource> = {
  newResource: () => ({ uses: 0 }),
  factory(create) {
    const factory = { create: async () => create(), destroy: () => undefined }
    return (max) => createPool(factory, { max })
  },
  verbs(pool) {
    const acquire = (): Promise<Resource> => pool.acquire()
    const release = (resource: Resource): void => pool.release(resource)
    const resourceOf = (resource: Resource): Resource => resource
    return {
      acquire,
      release,
      resourceOf,
      use: useOf({ acquire, release, resourceOf }),
      idle: () => pool.available,
      borrowed: () => pool.acquired,
    }
  },
}
