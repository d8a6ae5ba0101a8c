import type { Entry, Sharers } from '../stock/entry.ts'
import { LinkedList } from '../tools/list.ts'
import type { Request } from './request.ts'

/** A resource as the callers of `share` use it. */
export class Shared<R extends object> implements Sharers {
  readonly entry: Entry<R>
  /** The maximum number of requests in flight. With 1, it is lent to each of them, without the hooks for sharing. */
  readonly limit: number
  /** The requests in flight, in the order in which they were sent. */
  readonly requests = new LinkedList<Request<R>>()
  /** Nothing is sent behind this request. */
  seal: Request<R> | undefined = undefined
  /** It is to be empty soon, for a caller of `acquire`. */
  reserved = false
  /** It is to be empty soon, because `max` was lowered. */
  surplus = false
  /** Requests were sent in this tick. */
  unflushed = false
  /** When the last answer came, by the monotonic clock. */
  answeredAt = 0
  /** The place among those that have room. */
  place = -1
  readonly #ended: (shared: Shared<R>) => void

  constructor(entry: Entry<R>, limit: number, ended: (shared: Shared<R>) => void) {
    this.entry = entry
    this.limit = limit
    this.#ended = ended
  }

  ended(): void {
    this.#ended(this)
  }
}
