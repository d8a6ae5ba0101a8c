import { runApart } from './uncaught.ts'

interface Ear {
  readonly runs: Set<{ readonly run: () => void }>
  readonly listener: () => void
}

const ears = new WeakMap<AbortSignal, Ear>()

/**
 * Calls `run` once, when `signal` aborts. Returns a function that takes it back; a second call of that does nothing.
 *
 * All that wait for one signal share one listener, because Node warns of a leak when there are more than ten. A `run` that
 * throws keeps no other from running: its error is an uncaught exception.
 *
 * A signal that has already aborted never calls `run`: check `signal.aborted` first.
 */
export function onAbort(signal: AbortSignal, run: () => void): () => void {
  const { runs, listener } = ears.get(signal) ?? newEar(signal)
  const own = { run }
  runs.add(own)
  return () => {
    if (!runs.delete(own) || runs.size > 0) return
    ears.delete(signal)
    signal.removeEventListener('abort', listener)
  }
}

function newEar(signal: AbortSignal): Ear {
  const runs: Ear['runs'] = new Set()
  const listener = (): void => {
    for (const { run } of runs) runApart(run)
  }
  const ear = { runs, listener }
  ears.set(signal, ear)
  signal.addEventListener('abort', listener, { once: true })
  return ear
}
