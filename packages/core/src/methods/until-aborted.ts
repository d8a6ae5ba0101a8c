import { onAbort } from '../signals.ts'
import type { ForkSafePool, Lease } from '../surface.ts'

/**
 * Work on one resource, which is given back when the promise settles. After `decide()`, the signal no longer matters: the work
 * counts. `decide()` throws the signal's reason if that has already aborted.
 */
export type Work<R extends object, T> = (
  resource: R,
  lease: Lease<R>,
  decide: () => void,
) => Promise<T>

/** Longer than the steps of any of ours, each of which may take five seconds. */
const CANCEL_TIMEOUT_MILLIS = 20_000

/** Ends what is running on a lent resource. Once it has settled, it must not strike what the next holder runs. */
export type Cancel<R extends object> = (lease: Lease<R>) => Promise<void>

/**
 * Works as `pool.use` until `signal` aborts. Then it rejects at once with the signal's `reason`, `cancel` ends what is running,
 * and the resource is given back as soon as it is clean: when both `cancel` and `work` have settled. If `cancel` rejects or has
 * not settled after 20 seconds, the resource is destroyed. Rejects as `acquire` does, or with what `work` throws.
 */
export async function useUntilAborted<R extends object, T>(
  pool: ForkSafePool<R>,
  signal: AbortSignal | undefined,
  cancel: Cancel<R>,
  work: Work<R, T>,
): Promise<T> {
  if (signal === undefined) return pool.use((resource, lease) => work(resource, lease, decided))
  const lease = await pool.acquire({ signal })
  if (signal.aborted) {
    // When the lease was on its way already.
    lease.release()
    throw signal.reason
  }
  let cancelled: Promise<void> | undefined
  let stopListening!: () => void
  const aborted = new Promise<never>((_, reject) => {
    stopListening = onAbort(signal, () => {
      cancelled = cancelOrEnd(lease, cancel)
      reject(signal.reason as Error)
    })
  })
  const running = start(work, lease, () => {
    signal.throwIfAborted()
    stopListening()
  })
  void running
    .catch(() => undefined) // Told to the caller, who may have gone.
    .then(() => cancelled)
    .then(() => {
      stopListening()
      lease[Symbol.dispose]()
    })
  return Promise.race([running, aborted])
}

function decided(): void {}

async function start<R extends object, T>(
  work: Work<R, T>,
  lease: Lease<R>,
  decide: () => void,
): Promise<T> {
  return work(lease.resource, lease, decide)
}

/**
 * Calls `cancel`. If it rejects or has not settled after 20 seconds, nobody knows what it will strike, and the resource is
 * destroyed.
 * @throws {LeaseReleasedError} (as a rejection) when it would be destroyed and has been released already.
 */
export async function cancelOrEnd<R extends object>(
  lease: Lease<R>,
  cancel: Cancel<R>,
): Promise<void> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_, reject) => {
    const giveUp = (): void =>
      reject(new Error(`Expected \`cancel\` to settle within ${CANCEL_TIMEOUT_MILLIS} ms.`))
    timer = setTimeout(giveUp, CANCEL_TIMEOUT_MILLIS).unref()
  })
  try {
    await Promise.race([cancel(lease), late])
  } catch (error) {
    lease.destroy(error as Error)
  } finally {
    clearTimeout(timer)
  }
}
