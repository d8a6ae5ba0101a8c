/** A member of a `LinkedList`. It can be in one list at a time. */
export interface Linked<T> {
  previous: T | undefined
  next: T | undefined
}

/** A doubly linked list through its members, which can be removed from the middle at once. */
export class LinkedList<T extends Linked<T>> {
  first: T | undefined = undefined
  last: T | undefined = undefined
  length = 0

  push(member: T): void {
    const last = this.last
    member.previous = last
    if (last === undefined) this.first = member
    else last.next = member
    this.last = member
    this.length++
  }

  /** Inserts a member before another one of this list, or at the end. */
  insert(member: T, next: T | undefined): void {
    if (next === undefined) return this.push(member)
    const { previous } = next
    member.previous = previous
    member.next = next
    next.previous = member
    if (previous === undefined) this.first = member
    else previous.next = member
    this.length++
  }

  /** Removes a member, which must be in this list. */
  remove(member: T): void {
    const { previous, next } = member
    if (previous === undefined) this.first = next
    else previous.next = next
    if (next === undefined) this.last = previous
    else next.previous = previous
    member.previous = member.next = undefined
    this.length--
  }

  clear(): void {
    for (let member = this.first; member !== undefined;) {
      const { next } = member
      member.previous = member.next = undefined
      member = next
    }
    this.first = this.last = undefined
    this.length = 0
  }

  /** Returns the present members, from first to last. */
  members(): T[] {
    const members: T[] = []
    for (let member = this.first; member !== undefined; member = member.next) members.push(member)
    return members
  }
}
