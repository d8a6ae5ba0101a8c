/**
 * A binary heap of members that know their place in it, so that any of them can leave or move in logarithmic time.
 * `place` names the property that holds the place: a member may be in two heaps.
 */
export class Heap<P extends string, T extends Record<P, number>> {
  readonly #members: T[] = []
  readonly #precedes: (a: T, b: T) => boolean

  constructor(
    private readonly place: P,
    precedes: (a: T, b: T) => boolean,
  ) {
    this.#precedes = precedes
  }

  get size(): number {
    return this.#members.length
  }

  /** The member that precedes all others. */
  get first(): T | undefined {
    return this.#members[0]
  }

  add(member: T): void {
    this.#put(member, this.#members.length)
    this.#rise(member)
  }

  /** Removes a member, which must be in this heap. */
  remove(member: T): void {
    const last = this.#members.pop() as T
    if (last === member) return
    this.#put(last, this.#placeOf(member))
    this.moved(last)
  }

  /** Puts a member where it belongs after its order has changed. */
  moved(member: T): void {
    this.#rise(member)
    this.#sink(member)
  }

  #rise(member: T): void {
    for (let at = this.#placeOf(member); at > 0; at = this.#placeOf(member)) {
      const parent = this.#members[(at - 1) >> 1] as T
      if (!this.#precedes(member, parent)) return
      this.#put(parent, at)
      this.#put(member, (at - 1) >> 1)
    }
  }

  #sink(member: T): void {
    for (;;) {
      const at = this.#placeOf(member)
      const left = this.#members[2 * at + 1]
      const right = this.#members[2 * at + 2]
      if (left === undefined) return
      const child = right !== undefined && this.#precedes(right, left) ? right : left
      if (!this.#precedes(child, member)) return
      const below = this.#placeOf(child)
      this.#put(child, at)
      this.#put(member, below)
    }
  }

  #placeOf(member: T): number {
    return member[this.place]
  }

  #put(member: T, at: number): void {
    this.#members[at] = member
    member[this.place] = at as T[P]
  }
}
