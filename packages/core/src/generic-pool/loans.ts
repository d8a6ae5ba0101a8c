import type { Lease } from '../surface.ts'
import type { Member } from './member.ts'

/** Who waits and who holds what. A holder is known by the resource alone: generic-pool has no leases. */
export class Loans<T> {
  readonly #lent = new Map<T, Member<T>>()
  /** What another process holds, which this one was copied from. */
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
    this.#lent.set(member.obj, member)
    return member
  }

  leave(): void {
    this.#callers--
    if (this.#callers > 0) return
    for (const resolve of this.#untilNone.splice(0)) resolve()
  }

  of(resource: T): Member<T> | undefined {
    return this.#lent.get(resource)
  }

  isInherited(resource: T): boolean {
    return this.#inherited.has(resource as object)
  }

  end(member: Member<T>, how: 'release' | 'destroy'): void {
    const lease = member.returned()
    this.#lent.delete(member.obj)
    lease?.[how]()
    this.leave()
  }

  /** Another process has the resource. */
  letGo(member: Member<T>): void {
    const { obj } = member
    if (this.#lent.get(obj) !== member) return
    member.returned()
    this.#lent.delete(obj)
    if (typeof obj === 'object' && obj !== null) this.#inherited.add(obj)
    this.leave()
  }

  /** Waits until nobody waits, and nobody holds anything. */
  async none(): Promise<void> {
    if (this.#callers === 0) return
    await new Promise<void>((resolve) => {
      this.#untilNone.push(resolve)
    })
  }
}
