/** What a member of a `LinkedList` carries: it is in one list at a time. */
export interface Linked<T> {
  previous: T | undefined
  next: T | undefined
}

/** A doubly linked list through its members: whatever is in it can leave from the middle at once. */
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

  /** Puts a member in front of another one, which must be in this list; at the end without one. */
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

  /** Takes out a member, which must be in this list. */
  remove(member: T): void {
    const { previous, next } = member
    if (previous === undefined) this.first = next
    else previous.next = next
    if (next === undefined) this.last = previous
    else next.previous = previous
    member.previous = undefined
    member.next = undefined
    this.length--
  }

  clear(): void {
    for (let member = this.first; member !== undefined;) {
      const { next } = member
      member.previous = undefined
      member.next = undefined
      member = next
    }
    this.first = undefined
    this.last = undefined
    this.length = 0
  }

  /** Those that are in it now, from first to last. */
  members(): T[] {
    const members: T[] = []
    for (let member = this.first; member !== undefined; member = member.next) members.push(member)
    return members
  }
}
