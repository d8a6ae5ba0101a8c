import type { Lease } from '../api/pool.ts'
import type { Member } from './member.ts'

/**
 * Who waits and who holds what. A holder is known by the resource alone: generic-pool has no leases. A factory may give the
 * same value several times, as it may with primitives: each is a resource, and they are interchangeable.
 */
export class Loans<T> {
  readonly #lent = new Map<T, Member<T>[]>()
  /** Resources that the process holds from which this one was copied. */
  readonly #inherited = new WeakSet<object>()
  /** Callers who wait or hold something. */
  #callers = 0
  readonly #untilNone: (() => void)[] = []

  /** Somebody waits: `lend` or `leave` follows. */
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

  /** The one that was lent last, if the resource is lent. */
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

  /** Another process has the resource. */
  letGo(member: Member<T>): void {
    if (!this.#remove(member)) return
    const { obj } = member
    member.returned()
    if (typeof obj === 'object' && obj !== null) this.#inherited.add(obj)
    this.leave()
  }

  /** Returns whether it was lent. */
  #remove(member: Member<T>): boolean {
    const { obj } = member
    const lent = this.#lent.get(obj) ?? []
    const place = lent.indexOf(member)
    if (place < 0) return false
    lent.splice(place, 1)
    if (lent.length === 0) this.#lent.delete(obj)
    return true
  }

  /** Waits until nobody waits, and nobody holds anything. */
  async none(): Promise<void> {
    if (this.#callers === 0) return
    await new Promise<void>((resolve) => {
      this.#untilNone.push(resolve)
    })
  }
}
