import type { Lease } from '../api/pool.ts'
import type { Member } from './member.ts'

/**
 * Tracks borrowed resources and waiting callers. generic-pool has no leases, so a holder is identified by its resource alone. A
 * factory may return the same value several times, for example a primitive. Each is a resource, and they are interchangeable.
 */
export class Loans<T> {
  readonly #lent = new Map<T, Member<T>[]>()
  /** Resources that are borrowed in the process from which this one was copied. */
  readonly #inherited = new WeakSet<object>()
  /** The number of callers that wait or hold a resource. */
  #callers = 0
  readonly #untilNone: (() => void)[] = []

  /** Adds a waiting caller. `lend` or `leave` must follow. */
  arrive(): void {
    this.#callers++
  }

  lend(lease: Lease<Member<T>>): Member<T> {
    const member = lease.resource
    member.lent(lease)
    const { obj } = member
    const others = this.#lent.get(obj)
    if (others === undefined) this.#lent.set(obj, [member])
    else others.push(member)
    return member
  }

  leave(): void {
    this.#callers--
    if (this.#callers > 0) return
    for (const resolve of this.#untilNone.splice(0)) resolve()
  }

  /** Returns the member of `resource` that was lent last, if the resource is borrowed. */
  of(resource: T): Member<T> | undefined {
    return this.#lent.get(resource)?.at(-1)
  }

  isInherited(resource: T): boolean {
    return this.#inherited.has(resource as object)
  }

  end(member: Member<T>, how: 'release' | 'destroy'): void {
    const lease = member.returned()
    this.#remove(member)
    lease?.[how]()
    this.leave()
  }

  /** Ends the loan of a resource that belongs to another process. */
  letGo(member: Member<T>): void {
    if (!this.#remove(member)) return
    const { obj } = member
    member.returned()
    if (typeof obj === 'object' && obj !== null) this.#inherited.add(obj)
    this.leave()
  }

  /** Returns whether it was borrowed. */
  #remove(member: Member<T>): boolean {
    const { obj } = member
    const lent = this.#lent.get(obj) ?? []
    const place = lent.indexOf(member)
    if (place < 0) return false
    lent.splice(place, 1)
    if (lent.length === 0) this.#lent.delete(obj)
    return true
  }

  /** Resolves when no caller waits or holds a resource. */
  async none(): Promise<void> {
    if (this.#callers === 0) return
    await new Promise<void>((resolve) => {
      this.#untilNone.push(resolve)
    })
  }
}
