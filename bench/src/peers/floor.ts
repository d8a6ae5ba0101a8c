import { type Peer, type Resource, useOf } from './peer.ts'

interface Waiter {
  readonly resolve: (resource: Resource) => void
  next: Waiter | undefined
}

/** The minimal implementation of lending: a stack, and a queue for callers that find it empty. */
class Floor {
  readonly idle: Resource[] = []
  size = 0
  #first: Waiter | undefined
  #last: Waiter | undefined
  readonly #create: () => Resource
  readonly #max: number

  constructor(create: () => Resource, max: number) {
    this.#create = create
    this.#max = max
  }

  acquire(): Resource | Promise<Resource> {
    return this.idle.pop() ?? this.#openOrWait()
  }

  release(resource: Resource): void {
    const waiter = this.#first
    if (waiter === undefined) {
      this.idle.push(resource)
      return
    }
    this.#first = waiter.next
    waiter.resolve(resource)
  }

  #openOrWait(): Resource | Promise<Resource> {
    if (this.size < this.#max) {
      this.size++
      return this.#create()
    }
    return new Promise((resolve) => {
      const waiter: Waiter = { resolve, next: undefined }
      if (this.#first === undefined) this.#first = waiter
      else if (this.#last !== undefined) this.#last.next = waiter
      this.#last = waiter
    })
  }
}

export const peer: Peer<Resource, Floor, Resource> = {
  newResource: () => ({ uses: 0 }),
  factory: (create) => (max) => new Floor(create, max),
  verbs(pool) {
    const acquire = (): Resource | Promise<Resource> => pool.acquire()
    const release = (resource: Resource): void => pool.release(resource)
    const resourceOf = (resource: Resource): Resource => resource
    return {
      acquire,
      release,
      resourceOf,
      use: useOf({ acquire, release, resourceOf }),
      idle: () => pool.idle.length,
      borrowed: () => pool.size - pool.idle.length,
    }
  },
}
