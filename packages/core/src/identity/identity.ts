import type { ForkDetection } from '../api/options.ts'
import type { ProcessChangeReason } from '../api/pool.ts'
import { onSnapshot } from './snapshot.ts'
import { bestSource, type IdentitySource, noSource } from './sources.ts'

/** The reaction of a pool to a process change. User code runs only after all pools have disowned: the returned functions, then `tell`. */
export interface ProcessChangeListener {
  /** Ends all leases and forgets all resources of the other process. Returns a function that discards these resources. */
  disown(): () => void
  /** Tells whether there may be resources to disown. */
  inUse(): boolean
  /** Reports the change to the pool's listeners. */
  tell(reason: ProcessChangeReason): void
}

/** The interface between the copies of this module in one process, which may be of different versions. */
interface IdentityCopy {
  changeSeen(reason: ProcessChangeReason): void
  hookCalled(reason: ProcessChangeReason): void
}

/** The incarnation of the process: a number that rises at each change. Not a pid, because pids are reused. */
export class ProcessIdentity implements IdentityCopy {
  readonly #openSource: () => IdentitySource
  readonly #copies: Set<IdentityCopy>
  #source: IdentitySource | undefined
  #number = 1
  #seenBeforeHook = false
  /** Weak, so that unused pools can be collected. Not a FinalizationRegistry, whose pending work keeps V8 from writing a snapshot. */
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

  /** The source, opened at first use so that importing the module costs nothing. */
  get source(): IdentitySource {
    if (this.#source === undefined) {
      this.#source = this.#openSource()
      this.#source.settle()
    }
    return this.#source
  }

  /** Handles a change that a use has noticed. When it returns, all watches have been notified. */
  seen(): void {
    for (const copy of this.#copies) copy.changeSeen('fork')
  }

  /** Notifies every copy that a hook was called. */
  announce(reason: ProcessChangeReason): void {
    for (const copy of this.#copies) copy.hookCalled(reason)
  }

  changeSeen(reason: ProcessChangeReason): void {
    this.#raise(reason)
    this.#seenBeforeHook = true
  }

  hookCalled(reason: ProcessChangeReason): void {
    // A use before the hook may already have noticed this fork. Resources opened since then belong to this process.
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

  /** Disowns open resources, which a snapshot cannot contain. Until it is written, no source is asked. */
  #writing(): void {
    this.#source = noSource
    letGo(this.#watchesNow().filter((watch) => watch.listener.inUse()))
  }

  /** Starts from a snapshot. All resources were disowned before it was written. The next use opens a new source. */
  #started(): void {
    this.#source = undefined
    this.#number++
    for (const watch of this.#watchesNow()) watch.tell('snapshot')
  }

  /** Returns the present watches. A listener may open a pool, which already belongs to the new process. */
  #watchesNow(): IdentityWatch[] {
    const watches: IdentityWatch[] = []
    for (const reference of this.#watches) {
      const watch = reference.deref()
      if (watch === undefined) this.#watches.delete(reference)
      else watches.push(watch)
    }
    return watches
  }

  /** Returns a watch that is active as long as the pool holds a reference to it. */
  watch(detection: ForkDetection, listener: ProcessChangeListener): IdentityWatch {
    if (this.#watches.size >= this.#manyWatches) {
      this.#manyWatches = Math.max(16, 2 * this.#watchesNow().length)
    }
    const watch = new IdentityWatch(this, detection, listener)
    this.#watches.add(new WeakRef(watch))
    return watch
  }
}

/** The source of a watch that no longer checks. */
const unchecked: IdentitySource = { ...noSource }

export class IdentityWatch {
  /** The source to check, cached to make `check` fast. */
  #source: IdentitySource | undefined

  constructor(
    readonly identity: ProcessIdentity,
    private readonly detection: ForkDetection,
    readonly listener: ProcessChangeListener,
  ) {
    const { source } = identity
    this.#source = detection === 'hooks' ? unchecked : source
  }

  /** Checks for a change, as often as `forkDetection` requires. The listener has been called when this returns. */
  check(): void {
    if ((this.#source ??= this.identity.source).changed()) this.identity.seen()
  }

  disown(): () => void {
    this.#forgetSource()
    return this.listener.disown()
  }

  tell(reason: ProcessChangeReason): void {
    this.#forgetSource()
    // A process that starts from a snapshot has not forked yet.
    if (this.detection === 'once' && reason !== 'snapshot') this.#source = unchecked
    this.listener.tell(reason)
  }

  #forgetSource(): void {
    if (this.#source !== unchecked) this.#source = undefined
  }
}

function letGo(watches: readonly IdentityWatch[]): void {
  const discards = watches.map((watch) => watch.disown())
  for (const discard of discards) discard()
}

// Two versions of core, or its ES and CommonJS instances, may share a process. Each hook notifies all of them.
const key = Symbol.for('forksafe.processIdentity')
const shared = globalThis as unknown as Record<symbol, Set<IdentityCopy> | undefined>

/** The identity of this process, shared by all pools of this copy of the module. */
export const processIdentity = new ProcessIdentity(bestSource, (shared[key] ??= new Set()))

/**
 * Makes every pool discard its inherited resources at once. Call it in the child, right after `fork()` and `uv_loop_fork()` and
 * before the event loop runs. A call before `uv_loop_fork()` would remove the parent's sockets from the event loop that
 * both processes still share.
 */
export function afterFork(): void {
  processIdentity.announce('fork')
}

/** Makes every pool discard its resources. Call it after a restore from a checkpoint and in a cloned VM, which no source notices. */
export function afterRestore(): void {
  processIdentity.announce('restore')
}
