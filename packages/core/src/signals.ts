interface Ear {
  readonly runs: Set<() => void>
  readonly listener: () => void
}

const ears = new WeakMap<AbortSignal, Ear>()

/**
 * Calls `run` when `signal` aborts, until the function that it returns is called. All who wait with one signal share one
 * listener: Node takes more than ten for a leak.
 */
export function onAbort(signal: AbortSignal, run: () => void): () => void {
  const { runs, listener } = ears.get(signal) ?? newEar(signal)
  runs.add(run)
  return () => {
    runs.delete(run)
    if (runs.size > 0) return
    ears.delete(signal)
    signal.removeEventListener('abort', listener)
  }
}

function newEar(signal: AbortSignal): Ear {
  const runs = new Set<() => void>()
  const listener = (): void => {
    for (const run of runs) run()
  }
  const ear = { runs, listener }
  ears.set(signal, ear)
  signal.addEventListener('abort', listener, { once: true })
  return ear
}
