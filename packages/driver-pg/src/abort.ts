import { type ForkSafePool, type Lease, onAbort } from '@forksafe/core'
import type { Client } from 'pg'
import { cancel } from './cancel.ts'

/** Work on one connection, which is given back when it settles. From `decide()` on it counts, whatever the signal says. */
export type Work<T> = (client: Client, lease: Lease<Client>, decide: () => void) => Promise<T>

/**
 * `pool.use` until `signal` aborts. Then it rejects at once with the signal's reason, the statement that runs is
 * cancelled on the server, and the connection is given back as soon as it is clean: when `work` has settled, too.
 */
export async function useUntilAborted<T>(
  pool: ForkSafePool<Client>,
  signal: AbortSignal | undefined,
  work: Work<T>,
): Promise<T> {
  if (signal === undefined) return pool.use((client, lease) => work(client, lease, decided))
  const lease = await pool.acquire({ signal })
  if (signal.aborted) {
    // When the lease was on its way already.
    lease.release()
    throw signal.reason
  }
  let cancelled: Promise<void> | undefined
  let stopListening = (): void => undefined
  const aborted = new Promise<never>((_, reject) => {
    stopListening = onAbort(signal, () => {
      cancelled = cancelOrEnd(lease)
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

async function start<T>(work: Work<T>, lease: Lease<Client>, decide: () => void): Promise<T> {
  return work(lease.resource, lease, decide)
}

/** Where it cannot be cancelled, there is no telling how long it runs: the connection ends. */
async function cancelOrEnd(lease: Lease<Client>): Promise<void> {
  try {
    await cancel(lease)
  } catch (error) {
    lease.destroy(error as Error)
  }
}
