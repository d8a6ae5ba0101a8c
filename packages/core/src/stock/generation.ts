import genericPool, { type Pool } from 'generic-pool'

/** How a generation creates and destroys its members. Each function calls `done` once, and never throws. */
export interface Factory<T> {
  create(member: T, done: () => void): void
  destroy(member: T, done: () => void): void
}

/**
 * Everything that was opened under one identity of the process, in one generic-pool. That decides how many resources exist,
 * and creates and destroys them. It never lends them: each is on loan to this pool from its first moment to its last.
 */
export class Generation<T> {
  readonly #pool: Pool<T>
  /** Members that generic-pool has been asked to create and has not begun. */
  readonly #reserved: T[] = []

  /** `ownership` is that of all generations that were begun in this process. */
  constructor(
    readonly number: number,
    private readonly ownership: { readonly lost: boolean },
    factory: Factory<T>,
  ) {
    this.#pool = genericPool.createPool<T>(
      {
        // It never rejects: generic-pool would try again at once, and for ever.
        create: () =>
          new Promise((resolve) => {
            const member = this.#reserved.shift() as T
            factory.create(member, () => resolve(member))
          }),
        destroy: (member) => new Promise((resolve) => factory.destroy(member, resolve)),
      },
      { autostart: false },
    )
    // Not a `max` of generic-pool's own: `max` may change, and what is being destroyed counts too.
    Object.defineProperty(this.#pool, 'spareResourceCapacity', { get: () => this.#reserved.length })
  }

  /** Its resources belong to another process. */
  get disowned(): boolean {
    return this.ownership.lost
  }

  /** Creates a member, possibly a turn later. Resolves with whichever member has been created next. */
  async create(member: T): Promise<T> {
    this.#reserved.push(member)
    return this.#pool.acquire()
  }

  destroy(member: T): void {
    void this.#pool.destroy(member)
  }
}
