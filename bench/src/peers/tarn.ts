import { Pool } from 'tarn'
import { type Peer, type Resource, useOf } from './peer.ts'

export const peer: Peer<Resource, Pool<Resource>, Resource> = {
  newResource: () => ({ uses: 0 }),
  factory(create) {
    const factory = { create: async () => create(), destroy: () => undefined }
    return (max) => new Pool({ ...factory, min: 0, max })
  },
  verbs(pool) {
    const acquire = (): Promise<Resource> => pool.acquire().promise
    const release = (resource: Resource): void => void pool.release(resource)
    const resourceOf = (resource: Resource): Resource => resource
    return {
      acquire,
      release,
      resourceOf,
      use: useOf({ acquire, release, resourceOf }),
      idle: () => pool.numFree(),
      borrowed: () => pool.numUsed(),
    }
  },
}
