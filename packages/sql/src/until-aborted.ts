import { type ForkSafePool, type Lease, onAbort } from '@forksafe/core'
import { discardLease } from '@forksafe/core/methods'

/**
 * Work on one resource, which is given back when the promise settles. After `decide()`, the outcome is that of the work, even if
 * the signal aborts. `decide()` throws the signal's reason if that has already aborted.
 */
export type Work<R extends object, T> = (
  resource: R,
  lease: Lease<R>,
  decide: () => void,
) => Promise<T>

/** How long after an abort the resource is discarded, unless it has come back by then. */
const DISCARD_AFTER_MILLIS = 3_000

/** Ends what is running on a lent resource. Once it has settled, it must not end what the next holder runs. */
export type Cancel<R extends object> = (lease: Lease<R>) => Promise<void>

/**
 * Works as `pool.use` until `signal` aborts. Then it rejects at once with the signal's `reason`, `cancel` ends what is running,
 * and the resource is given back as soon as it is clean: when both `cancel` and `work` have settled. If `cancel` rejects, or one of
 * them has not settled 3 seconds after the abort, the resource is discarded without a goodbye, and its lease ends. After
 * `decide()`, an abort rejects and cancels nothing, but the 3 seconds apply. Rejects as `acquire` does, or with what `work` throws.
 */
export async function useUntilAborted<R extends object, T>(
  pool: ForkSafePool<R>,
  signal: AbortSignal | undefined,
  cancel: Cancel<R>,
  work: Work<R, T>,
): Promise<T> {
  if (signal === undefined) return pool.use((resource, lease) => work(resource, lease, noDecision))
  const lease = await pool.acquire({ signal })
  if (signal.aborted) {
    // It aborted when the lease was already on its way.
    lease.release()
    throw signal.reason
  }
  let decided = false
  let cancelled: Promise<void> | undefined
  let timer: NodeJS.Timeout | undefined
  let stopListening!: () => void
  const aborted = new Promise<never>((_, reject) => {
    stopListening = onAbort(signal, () => {
      const discard = (): void => discardLease(lease, tooLate('`work`'))
      timer = setTimeout(discard, DISCARD_AFTER_MILLIS).unref()
      if (decided) return
      cancelled = cancelOrEnd(lease, cancel)
      reject(signal.reason as Error)
    })
  })
  const decide = (): void => {
    signal.throwIfAborted()
    decided = true
  }
  const giveBack = (): void => {
    stopListening()
    clearTimeout(timer)
    lease[Symbol.dispose]()
  }
  // Only the caller reacts to this promise: with a second reaction, V8 would not find the caller's frames for the error of `work`.
  const run = async (): Promise<T> => {
    try {
      return await work(lease.resource, lease, decide)
    } finally {
      if (cancelled === undefined) giveBack()
      else void cancelled.then(giveBack)
    }
  }
  return await Promise.race([run(), aborted])
}

function noDecision(): void {}

/**
 * Calls `cancel`. If it rejects or has not settled after 3 seconds, it may still end what a later holder runs, so the resource is
 * discarded without a goodbye, which would not be answered either. Never rejects.
 */
export async function cancelOrEnd<R extends object>(
  lease: Lease<R>,
  cancel: Cancel<R>,
): Promise<void> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(tooLate('`cancel`')), DISCARD_AFTER_MILLIS).unref()
  })
  try {
    await Promise.race([cancel(lease), late])
  } catch (error) {
    discardLease(lease, error as Error)
  } finally {
    clearTimeout(timer)
  }
}

function tooLate(what: string): Error {
  return new Error(`Expected ${what} to settle within ${DISCARD_AFTER_MILLIS} ms of the abort.`)
}
