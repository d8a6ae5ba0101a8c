import { Heap } from '../tools/heap.ts'
import { LinkedList } from '../tools/list.ts'
import type { Request } from './request.ts'

/** The requests with one priority, in the order of their arrival. */
class Lane<R extends object> extends LinkedList<Request<R>> {
  readonly priority: number
  place = -1

  constructor(priority: number) {
    super()
    this.priority = priority
  }
}

/** The requests in the queue, by priority and then by arrival. */
export class Unsent<R extends object> {
  size = 0
  /** The lanes with requests in them, except the one used last. */
  readonly #lanes = new Map<number, Lane<R>>()
  #lastLane = new Lane<R>(0)
  readonly #turns = new Heap<'place', Lane<R>>('place', (a, b) => a.priority < b.priority)

  get first(): Request<R> | undefined {
    return this.#turns.first?.first
  }

  add(request: Request<R>): void {
    const lane = this.#laneOf(request.priority)
    lane.push(request)
    if (lane.length === 1) this.#turns.add(lane)
    this.size++
  }

  /** Removes a request, which must be in it. */
  remove(request: Request<R>): void {
    const lane = this.#laneOf(request.priority)
    lane.remove(request)
    if (lane.length === 0) this.#turns.remove(lane)
    this.size--
  }

  #laneOf(priority: number): Lane<R> {
    const last = this.#lastLane
    if (last.priority === priority) return last
    const lane = this.#lanes.get(priority) ?? new Lane<R>(priority)
    this.#lanes.delete(priority)
    if (last.length > 0) this.#lanes.set(last.priority, last)
    this.#lastLane = lane
    return lane
  }
}
