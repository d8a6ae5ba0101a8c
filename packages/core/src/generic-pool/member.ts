import type { Lease } from '../api/pool.ts'
import type { PooledResource } from './surface.ts'

/** A resource and its state. An evictor sees a part of it. */
export class Member<T> implements PooledResource<T> {
  readonly obj: T
  readonly creationTime: number = Date.now()
  lastBorrowTime: number | null = null
  lastReturnTime: number | null = null
  lastIdleTime: number = this.creationTime
  readonly state = 'IDLE'
  /** Set while the resource is borrowed. */
  lease: Lease<Member<T>> | undefined = undefined
  /** Whether the resource was discarded and must not be used. */
  isDiscarded = false
  /** Set during a test: stops waiting for it. */
  giveUpTest: (() => void) | undefined = undefined

  constructor(obj: T) {
    this.obj = obj
  }

  lent(lease: Lease<Member<T>>): void {
    this.lease = lease
    this.lastBorrowTime = Date.now()
  }

  /** Marks the resource as returned. Returns the lease, which the caller must end. */
  returned(): Lease<Member<T>> | undefined {
    const { lease } = this
    this.lease = undefined
    this.lastReturnTime = this.lastIdleTime = Date.now()
    return lease
  }
}
