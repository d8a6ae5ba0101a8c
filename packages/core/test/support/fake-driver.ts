import type { CreateFailure, Driver, ShareHooks } from '../../src/index.ts'

type ShareHookName = 'accepts' | 'begin' | 'end' | 'full' | 'flush'
export type HookName =
  | 'create'
  | 'validate'
  | 'reset'
  | 'destroy'
  | 'discard'
  | 'watch'
  | 'ref'
  | 'unref'
  | 'classify'
  | ShareHookName

/**
 * The plan for the calls of a hook: settle at once, after some milliseconds, or when the test says so. A call that hangs can be
 * settled later through `FakeDriver.pending`.
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

/** A request that was sent on a fake connection. */
export interface FakeRequest {
  answer(value?: unknown): void
  fail(error?: Error): void
}

/** A fake connection that records how it ended. */
export class FakeResource {
  readonly id: number
  readonly openedWith: unknown
  /** The signal of its create, aborted if the pool abandoned that create. */
  readonly signal: AbortSignal
  /** Whether its destroy has started. */
  closing = false
  destroys = 0
  discards = 0
  refs = 0
  unrefs = 0
  /** Whether it has announced its end. */
  retired = false
  /** Whether `begin` was called, and `end` was not. */
  sharing = false
  /** Whether it takes no more requests. */
  full = false
  /** The requests that were sent since the last `flush`. */
  unflushed = 0
  /** The requests that were sent and not answered, oldest first. */
  readonly requests: FakeRequest[] = []
  #lost: ((error: Error) => void) | undefined
  #retire: (() => void) | undefined

  constructor(id: number, openedWith: unknown, signal: AbortSignal) {
    this.id = id
    this.openedWith = openedWith
    this.signal = signal
  }

  get open(): boolean {
    return this.destroys + this.discards === 0
  }

  /** The callbacks that the pool passed to `watch`. */
  watchedBy(lost: (error: Error) => void, retire: () => void): void {
    this.#lost = lost
    this.#retire = retire
  }

  /** Sends a request. It is answered by the test. */
  request(): Promise<unknown> {
    this.unflushed++
    return new Promise((resolve, reject) => {
      const over = (): void => {
        this.requests.splice(this.requests.indexOf(request), 1)
      }
      const request: FakeRequest = {
        answer: (value) => {
          over()
          resolve(value)
        },
        fail: (error = new Error('the request failed')) => {
          over()
          reject(error)
        },
      }
      this.requests.push(request)
    })
  }

  /** Answers the oldest request. */
  answer(value?: unknown): void {
    const [request] = this.requests
    if (request === undefined) throw new Error('Nothing is in flight.')
    request.answer(value)
  }

  answerAll(): void {
    while (this.requests.length > 0) this.answer()
  }

  /** Makes the resource die by itself. */
  lose(error = new Error('connection reset')): void {
    if (this.#lost === undefined) throw new Error('This resource is not watched.')
    this.#lost(error)
  }

  /** Makes the resource announce its end. */
  retire(): void {
    if (this.#retire === undefined) throw new Error('This resource is not watched.')
    this.retired = true
    this.#retire()
  }
}

/** The error of a hook, which tests can recognize. */
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
  /** The driver can share its resources. Which of the optional hooks for that it has. */
  readonly share?: readonly ('accepts' | 'full' | 'flush')[] | undefined
  /** The default of the pool's `maxInFlight`. Default: none. */
  readonly maxInFlight?: number
  /** Whether a create in flight ends when its signal aborts, as it should. Default `true`. */
  readonly heedsAbort?: boolean
}

/** A driver whose behaviour the test controls, and which records every call. */
export class FakeDriver implements Driver<FakeResource, unknown> {
  readonly name = 'fake'
  /** The plan for the following calls of each hook. */
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
    accepts: 'pass',
    begin: 'pass',
    end: 'pass',
    full: 'pass',
    flush: 'pass',
  }
  /** The result of `accepts`. */
  accepting = true
  /** The result of `validate` if it passes. */
  valid = true
  /** The result of `classify` if it passes. */
  failureKind: CreateFailure = 'transient'
  /** Called at the start of each hook, in its async context. */
  onCall: (hook: HookName, resource: FakeResource | undefined) => void = () => undefined
  readonly calls: { readonly hook: HookName; readonly id: number | undefined }[] = []
  readonly pending: PendingCall[] = []
  /** All resources that were ever opened. */
  readonly resources: FakeResource[] = []
  readonly signals: AbortSignal[] = []
  /** The number of creates in flight that were not abandoned. */
  creating = 0
  /** The maximum number that was ever opening, open or closing at once. */
  mostAtOnce = 0
  readonly validate?: (resource: FakeResource) => boolean | Promise<boolean>
  readonly reset?: (resource: FakeResource) => void | Promise<void>
  readonly watch?: (
    resource: FakeResource,
    lost: (error: Error) => void,
    retire: () => void,
  ) => void
  readonly ref?: (resource: FakeResource) => void
  readonly unref?: (resource: FakeResource) => void
  readonly classify?: (error: unknown) => CreateFailure
  readonly share?: ShareHooks<FakeResource>
  readonly #heedsAbort: boolean

  constructor(options: FakeDriverOptions = {}) {
    const { hooks = ['watch'], heedsAbort = true, share, maxInFlight } = options
    this.#heedsAbort = heedsAbort
    if (share !== undefined) this.share = { maxInFlight, ...this.#shareHooks(share) }
    if (hooks.includes('validate')) {
      this.validate = (resource) => this.#run('validate', resource, () => this.valid)
    }
    if (hooks.includes('reset')) {
      this.reset = (resource) => this.#run('reset', resource, () => undefined)
    }
    if (hooks.includes('watch')) {
      this.watch = (resource, lost, retire) => {
        resource.watchedBy(lost, retire)
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
      // A destroy that ends after a discard is not a second end.
      if (resource.discards === 0) resource.destroys++
    })
  }

  discard(resource: FakeResource): void {
    resource.discards++
    this.#runNow('discard', resource)
  }

  #shareHooks(optional: readonly ('accepts' | 'full' | 'flush')[]): ShareHooks<FakeResource> {
    const hooks: Required<Omit<ShareHooks<FakeResource>, 'maxInFlight'>> = {
      accepts: (resource) => {
        this.#runNow('accepts', resource)
        return this.accepting
      },
      begin: (resource) => {
        this.#runNow('begin', resource)
        resource.sharing = true
      },
      end: (resource) => {
        this.#runNow('end', resource)
        resource.sharing = false
      },
      full: (resource) => {
        this.#runNow('full', resource)
        return resource.full
      },
      flush: (resource) => {
        this.#runNow('flush', resource)
        resource.unflushed = 0
      },
    }
    const { begin, end } = hooks
    return {
      begin,
      end,
      ...Object.fromEntries(optional.map((hook) => [hook, hooks[hook]])),
    }
  }

  /** Returns the number of calls of a hook. */
  count(hook: HookName): number {
    return this.calls.filter((call) => call.hook === hook).length
  }

  /** Settles and forgets all calls that hang. */
  settle(hook: HookName, how: 'pass' | 'reject' = 'pass'): void {
    const due = this.pending.filter((call) => call.hook === hook)
    for (const call of due) {
      this.pending.splice(this.pending.indexOf(call), 1)
      call[how]()
    }
  }

  /** Forgets all resources, so that they can be collected. */
  forget(): void {
    this.resources.length = 0
    this.signals.length = 0
    this.pending.length = 0
  }

  /** Returns the resources that are open. */
  get open(): FakeResource[] {
    return this.resources.filter((resource) => resource.open)
  }

  /** Returns the open resources, except those of abandoned creates. */
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

  /** Runs a hook that returns nothing. Like an async function, it throws by rejecting. */
  #runNow(hook: HookName, resource: FakeResource | undefined): void {
    this.#begin(hook, resource)
    if (this.plans[hook] === 'throw') throw new HookError(hook)
  }

  #begin(hook: HookName, resource: FakeResource | undefined): void {
    this.calls.push({ hook, id: resource?.id })
    this.onCall(hook, resource)
  }
}

/** Behaves as a driver should: when the signal aborts, it stops, and discards a resource that still opens. */
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
