import type { Lease } from '../api/pool.ts'
import type { PooledResource } from './surface.ts'

/** What the pool keeps of a resource: an evictor sees some of it. */
export class Member<T> implements PooledResource<T> {
  readonly obj: T
  readonly creationTime: number = Date.now()
  lastBorrowTime: number | null = null
  lastReturnTime: number | null = null
  lastIdleTime: number = this.creationTime
  readonly state = 'IDLE'
  /** While it is lent. */
  lease: Lease<Member<T>> | undefined = undefined
  /** Nothing of it is to be used any more. */
  isDiscarded = false
  /** While it is tested: ends the wait for that. */
  giveUpTest: (() => void) | undefined = undefined

  constructor(obj: T) {
    this.obj = obj
  }

  lent(lease: Lease<Member<T>>): void {
    this.lease = lease
    this.lastBorrowTime = Date.now()
  }

  /** Returns the lease, for its end. */
  returned(): Lease<Member<T>> | undefined {
    const { lease } = this
    this.lease = undefined
    this.lastReturnTime = this.lastIdleTime = Date.now()
    return lease
  }
}
