import type { ForkDetection } from '../api/options.ts'
import type { ProcessChangeReason } from '../api/pool.ts'
import { onSnapshot } from './snapshot.ts'
import { bestSource, type IdentitySource, noSource } from './sources.ts'

/**
 * What a pool does about a change. User code runs only once every pool of the process has disowned its resources: first what
 * `disown` returns, for every pool, and then `tell`.
 */
export interface ProcessChangeListener {
  /** Ends every lease and forgets every resource of the other process. Returns what discards these resources. */
  disown(): () => void
  /** Whether there may be anything to let go of. */
  inUse(): boolean
  /** Tells whoever wants to know. */
  tell(reason: ProcessChangeReason): void
}

/** What the copies of this module in one process tell each other. Another version of it may be at the other end. */
interface IdentityCopy {
  changeSeen(reason: ProcessChangeReason): void
  hookCalled(reason: ProcessChangeReason): void
}

/**
 * Which incarnation of the process this is: one number, raised by whichever source sees a change first. A number and
 * not a pid, since pids are reused.
 */
export class ProcessIdentity implements IdentityCopy {
  readonly #openSource: () => IdentitySource
  readonly #copies: Set<IdentityCopy>
  #source: IdentitySource | undefined
  #number = 1
  #seenBeforeHook = false
  /**
   * Weak: a pool that nobody holds any more is not held by this. Looked through now and then for those that are gone: a
   * FinalizationRegistry that has something to do keeps V8 from writing a snapshot.
   */
  readonly #watches = new Set<WeakRef<IdentityWatch>>()
  #manyWatches = 16

  constructor(
    openSource: () => IdentitySource = bestSource,
    copies = new Set<IdentityCopy>(),
    snapshots: typeof onSnapshot = onSnapshot,
  ) {
    this.#openSource = openSource
    this.#copies = copies.add(this)
    snapshots(
      () => this.#writing(),
      () => this.#started(),
    )
  }

  get number(): number {
    return this.#number
  }

  /** Opened at first use: a module that is only imported costs nothing. */
  get source(): IdentitySource {
    if (this.#source === undefined) {
      this.#source = this.#openSource()
      this.#source.settle()
    }
    return this.#source
  }

  /** A use found out. Every watch has heard of it when this returns. */
  seen(): void {
    for (const copy of this.#copies) copy.changeSeen('fork')
  }

  /** Tells every copy that a hook was called. */
  announce(reason: ProcessChangeReason): void {
    for (const copy of this.#copies) copy.hookCalled(reason)
  }

  changeSeen(reason: ProcessChangeReason): void {
    this.#raise(reason)
    this.#seenBeforeHook = true
  }

  hookCalled(reason: ProcessChangeReason): void {
    // A use that came before the hook may have seen this very fork: what was opened since then is ours.
    const seen = reason === 'fork' && this.#seenBeforeHook && !this.#isAnother()
    this.#seenBeforeHook = false
    if (!seen) this.#raise(reason)
  }

  #isAnother(): boolean {
    const { source } = this
    return source.confirm?.() ?? source.changed()
  }

  #raise(reason: ProcessChangeReason): void {
    this.source.settle()
    this.#number++
    const watches = this.#watchesNow()
    letGo(watches)
    for (const watch of watches) watch.tell(reason)
  }

  /** What is open cannot be written. What still happens here until it is, is no change of process. */
  #writing(): void {
    this.#source = noSource
    letGo(this.#watchesNow().filter((watch) => watch.inUse()))
  }

  /** Everything was let go of when this process was written; the next use opens a source of its own. */
  #started(): void {
    this.#source = undefined
    this.#number++
    for (const watch of this.#watchesNow()) watch.tell('snapshot')
  }

  /** Those there are now: a listener may open a pool, which is of the new process. */
  #watchesNow(): IdentityWatch[] {
    const watches: IdentityWatch[] = []
    for (const reference of this.#watches) {
      const watch = reference.deref()
      if (watch === undefined) this.#watches.delete(reference)
      else watches.push(watch)
    }
    return watches
  }

  /** A pool's view of the process, for as long as the pool keeps it. */
  watch(detection: ForkDetection, listener: ProcessChangeListener): IdentityWatch {
    if (this.#watches.size >= this.#manyWatches) {
      this.#manyWatches = Math.max(16, 2 * this.#watchesNow().length)
    }
    const watch = new IdentityWatch(this, detection, listener)
    this.#watches.add(new WeakRef(watch))
    return watch
  }
}

export class IdentityWatch {
  readonly #identity: ProcessIdentity
  readonly #detection: ForkDetection
  readonly #listener: ProcessChangeListener
  /** Kept here to be at hand at each use. */
  #source: IdentitySource | undefined
  #checking: boolean

  constructor(
    identity: ProcessIdentity,
    detection: ForkDetection,
    listener: ProcessChangeListener,
  ) {
    this.#identity = identity
    this.#detection = detection
    this.#listener = listener
    this.#checking = detection !== 'hooks'
    this.#source = identity.source
  }

  /** Which incarnation of the process this is. */
  get incarnation(): number {
    return this.#identity.number
  }

  /** Which means tells this process from its children. */
  get sourceName(): IdentitySource['name'] {
    return this.#identity.source.name
  }

  /** Looks for a change, as often as `forkDetection` wants. The listener has been called when this returns. */
  check(): void {
    if (!this.#checking) return
    this.#source ??= this.#identity.source
    if (this.#source.changed()) this.#identity.seen()
  }

  inUse(): boolean {
    return this.#listener.inUse()
  }

  disown(): () => void {
    this.#source = undefined
    return this.#listener.disown()
  }

  tell(reason: ProcessChangeReason): void {
    this.#source = undefined
    // A process that starts from a snapshot has not forked yet.
    if (this.#detection === 'once' && reason !== 'snapshot') this.#checking = false
    this.#listener.tell(reason)
  }
}

function letGo(watches: readonly IdentityWatch[]): void {
  const discards = watches.map((watch) => watch.disown())
  for (const discard of discards) discard()
}

// Two versions of core, or its ES and CommonJS instances, may live in one process: all of them hear each hook.
const key = Symbol.for('forksafe.processIdentity')
const shared = globalThis as unknown as Record<symbol, Set<IdentityCopy> | undefined>

/** This process, for every pool of this copy of the module. */
export const processIdentity = new ProcessIdentity(bestSource, (shared[key] ??= new Set()))

/**
 * Call it in the child, right after `fork()` and `uv_loop_fork()` and before the event loop runs: every pool lets go of
 * what it inherited, now. Before `uv_loop_fork()` it would take the parent's sockets out of the event loop that both
 * share then.
 */
export function afterFork(): void {
  processIdentity.announce('fork')
}

/** Call it after a restore from a checkpoint or the start of a VM's clone, which no source can see. */
export function afterRestore(): void {
  processIdentity.announce('restore')
}
