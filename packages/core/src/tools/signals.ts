import { runApart } from './uncaught.ts'

interface Listener {
  readonly runs: Set<{ readonly run: () => void }>
  readonly call: () => void
}

const listeners = new WeakMap<AbortSignal, Listener>()

/**
 * Calls `run` once, when `signal` aborts. Never if it has already aborted: check `signal.aborted` first. Returns a function that cancels
 * that; a second call of it does nothing. If `run` throws, its error is an uncaught exception, and the others still run.
 */
export function onAbort(signal: AbortSignal, run: () => void): () => void {
  const { runs, call } = listeners.get(signal) ?? listen(signal)
  const own = { run }
  runs.add(own)
  return () => {
    if (!runs.delete(own) || runs.size > 0) return
    listeners.delete(signal)
    signal.removeEventListener('abort', call)
  }
}

/** Adds one listener for all that wait for a signal, because Node warns of a leak if there are more than ten. */
function listen(signal: AbortSignal): Listener {
  const runs: Listener['runs'] = new Set()
  const call = (): void => runs.forEach(({ run }) => runApart(run))
  const listener = { runs, call }
  listeners.set(signal, listener)
  signal.addEventListener('abort', call, { once: true })
  return listener
}
