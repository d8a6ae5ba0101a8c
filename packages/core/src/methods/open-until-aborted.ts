/**
 * Runs the asynchronous part of a driver's `create`, and returns its result. Calls `letGo` at once when `signal` aborts, also if that
 * was earlier, and when `open` rejects: so it may be called twice. Rejects as `open` does, or with the reason of a signal that had
 * already aborted.
 */
export async function openUntilAborted<T>(
  signal: AbortSignal,
  letGo: () => void,
  open: () => Promise<T>,
): Promise<T> {
  signal.addEventListener('abort', letGo, { once: true })
  try {
    signal.throwIfAborted()
    return await open()
  } catch (error) {
    letGo()
    throw error
  } finally {
    signal.removeEventListener('abort', letGo)
  }
}
