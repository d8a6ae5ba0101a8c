import type { CreateFailure, Driver } from '../../src/index.ts'

export type HookName =
  'create' | 'validate' | 'reset' | 'destroy' | 'discard' | 'watch' | 'ref' | 'unref' | 'classify'

/**
 * How a hook fares: at once, after so many milliseconds, or when the test says so. `hang` is a call that the test may
 * settle later through `FakeDriver.pending`.
 */
export type Plan =
  | 'pass'
  | 'reject'
  | 'throw'
  | 'hang'
  | { readonly afterMillis: number; readonly outcome: 'pass' | 'reject' }

/** A call of a hook that has not settled. */
export interface PendingCall {
  readonly hook: HookName
  readonly resource: FakeResource | undefined
  pass(): void
  reject(error?: Error): void
}

/** Stands for a connection, and knows how it ended. */
export class FakeResource {
  readonly id: number
  readonly openedWith: unknown
  /** Aborted where the pool gave up the create that opened it. */
  readonly signal: AbortSignal
  /** Its destroy was begun. */
  closing = false
  destroys = 0
  discards = 0
  refs = 0
  unrefs = 0
  #lost: ((error: Error) => void) | undefined

  constructor(id: number, openedWith: unknown, signal: AbortSignal) {
    this.id = id
    this.openedWith = openedWith
    this.signal = signal
  }

  get open(): boolean {
    return this.destroys + this.discards === 0
  }

  /** What the pool gave to `watch`. */
  watchedBy(lost: (error: Error) => void): void {
    this.#lost = lost
  }

  /** Dies by itself. */
  lose(error = new Error('connection reset')): void {
    if (this.#lost === undefined) throw new Error('This resource is not watched.')
    this.#lost(error)
  }
}

/** Tells what went wrong in a hook, so that a test knows it when it sees it. */
export class HookError extends Error {
  readonly hook: HookName

  constructor(hook: HookName) {
    super(`${hook} failed`)
    this.hook = hook
  }
}

export interface FakeDriverOptions {
  /** The optional hooks that this driver has. Default: only `watch`. */
  readonly hooks?: readonly ('validate' | 'reset' | 'watch' | 'ref' | 'unref' | 'classify')[]
  /** Whether a create in flight ends when its signal aborts. Default `true`, as a good driver's does. */
  readonly heedsAbort?: boolean
}

/** The driver of a server that behaves as the test wants, and of which every call is recorded. */
export class FakeDriver implements Driver<FakeResource, unknown> {
  readonly name = 'fake'
  /** How each hook fares from now on. */
  readonly plans: Record<HookName, Plan> = {
    create: 'pass',
    validate: 'pass',
    reset: 'pass',
    destroy: 'pass',
    discard: 'pass',
    watch: 'pass',
    ref: 'pass',
    unref: 'pass',
    classify: 'pass',
  }
  /** What `validate` says when it passes. */
  valid = true
  /** What `classify` says when it passes. */
  failureKind: CreateFailure = 'transient'
  /** Called at the begin of each hook, in its async context. */
  onCall: (hook: HookName, resource: FakeResource | undefined) => void = () => undefined
  readonly calls: { readonly hook: HookName; readonly id: number | undefined }[] = []
  readonly pending: PendingCall[] = []
  /** Everything that was ever opened. */
  readonly resources: FakeResource[] = []
  readonly signals: AbortSignal[] = []
  /** Creates in flight that nobody has given up. */
  creating = 0
  /** The most that was ever opening, open or closing at once. */
  mostAtOnce = 0
  readonly validate?: (resource: FakeResource) => boolean | Promise<boolean>
  readonly reset?: (resource: FakeResource) => void | Promise<void>
  readonly watch?: (resource: FakeResource, lost: (error: Error) => void) => void
  readonly ref?: (resource: FakeResource) => void
  readonly unref?: (resource: FakeResource) => void
  readonly classify?: (error: unknown) => CreateFailure
  readonly #heedsAbort: boolean

  constructor({ hooks = ['watch'], heedsAbort = true }: FakeDriverOptions = {}) {
    this.#heedsAbort = heedsAbort
    if (hooks.includes('validate')) {
      this.validate = (resource) => this.#run('validate', resource, () => this.valid)
    }
    if (hooks.includes('reset')) {
      this.reset = (resource) => this.#run('reset', resource, () => undefined)
    }
    if (hooks.includes('watch')) {
      this.watch = (resource, lost) => {
        resource.watchedBy(lost)
        this.#runNow('watch', resource)
      }
    }
    if (hooks.includes('ref')) {
      this.ref = (resource) => {
        resource.refs++
        this.#runNow('ref', resource)
      }
    }
    if (hooks.includes('unref')) {
      this.unref = (resource) => {
        resource.unrefs++
        this.#runNow('unref', resource)
      }
    }
    if (hooks.includes('classify')) {
      this.classify = () => {
        this.#runNow('classify', undefined)
        return this.failureKind
      }
    }
  }

  create(connection: unknown, { signal }: { readonly signal: AbortSignal }): Promise<FakeResource> {
    this.signals.push(signal)
    let counted = true
    const over = (): void => {
      if (counted) this.creating--
      counted = false
    }
    this.creating++
    this.mostAtOnce = Math.max(this.mostAtOnce, this.creating + this.wanted.length)
    signal.addEventListener('abort', over, { once: true })
    try {
      const opening = this.#run('create', undefined, () => {
        over()
        const resource = new FakeResource(this.resources.length + 1, connection, signal)
        this.resources.push(resource)
        return resource
      })
      opening.catch(over)
      return this.#heedsAbort ? untilAborted(opening, signal) : opening
    } catch (error) {
      over()
      throw error
    }
  }

  destroy(resource: FakeResource): Promise<void> {
    resource.closing = true
    return this.#run('destroy', resource, () => {
      // A goodbye that is answered after the pool has let go is no second end.
      if (resource.discards === 0) resource.destroys++
    })
  }

  discard(resource: FakeResource): void {
    resource.discards++
    this.#runNow('discard', resource)
  }

  /** How often a hook was called. */
  count(hook: HookName): number {
    return this.calls.filter((call) => call.hook === hook).length
  }

  /** Settles what the plan `hang` holds up, and forgets it. */
  settle(hook: HookName, how: 'pass' | 'reject' = 'pass'): void {
    const due = this.pending.filter((call) => call.hook === hook)
    for (const call of due) {
      this.pending.splice(this.pending.indexOf(call), 1)
      call[how]()
    }
  }

  /** Keeps nothing of what there was, so that it may be collected. */
  forget(): void {
    this.resources.length = 0
    this.signals.length = 0
    this.pending.length = 0
  }

  /** Opened, and not ended. */
  get open(): FakeResource[] {
    return this.resources.filter((resource) => resource.open)
  }

  /** Open, and not by a create that had been given up. */
  get wanted(): FakeResource[] {
    return this.open.filter(({ signal }) => !signal.aborted)
  }

  resource(id: number): FakeResource {
    const resource = this.resources[id - 1]
    if (resource === undefined) throw new Error(`There is no resource ${id} yet.`)
    return resource
  }

  #run<T>(hook: HookName, resource: FakeResource | undefined, pass: () => T): Promise<T> {
    this.#begin(hook, resource)
    const plan = this.plans[hook]
    if (plan === 'throw') throw new HookError(hook)
    if (plan === 'pass') return Promise.resolve(pass())
    if (plan === 'reject') return Promise.reject(new HookError(hook))
    return new Promise((resolve, reject) => {
      const call: PendingCall = {
        hook,
        resource,
        pass: () => resolve(pass()),
        reject: (error = new HookError(hook)) => reject(error),
      }
      if (plan === 'hang') this.pending.push(call)
      else setTimeout(() => call[plan.outcome](), plan.afterMillis)
    })
  }

  /** For the hooks that return nothing. Rejecting is an async function's way of throwing. */
  #runNow(hook: HookName, resource: FakeResource | undefined): void {
    this.#begin(hook, resource)
    if (this.plans[hook] === 'throw') throw new HookError(hook)
  }

  #begin(hook: HookName, resource: FakeResource | undefined): void {
    this.calls.push({ hook, id: resource?.id })
    this.onCall(hook, resource)
  }
}

/** What a good driver does: when the pool gives up, it stops, and lets go of what comes all the same. */
function untilAborted(opening: Promise<FakeResource>, signal: AbortSignal): Promise<FakeResource> {
  return new Promise((resolve, reject) => {
    let over = false
    const abort = (): void => {
      if (!over) reject(signal.reason as Error)
      over = true
    }
    if (signal.aborted) abort()
    signal.addEventListener('abort', abort, { once: true })
    opening.then((resource) => {
      if (over) resource.discards++
      else resolve(resource)
      over = true
    }, reject)
  })
}
