import type { EventEmitter } from 'node:events'
import { startupSnapshot } from 'node:v8'

/** What is needed of `v8.startupSnapshot`. */
export interface StartupSnapshot {
  /** Whether this process will be written into a snapshot. In one that was started from it: no. */
  isBuildingSnapshot(): boolean
  addSerializeCallback(run: () => void): void
  addDeserializeCallback(run: () => void): void
}

/** Node's own. */
export const nodeSnapshot: StartupSnapshot = startupSnapshot

/**
 * Calls `writing` whenever this process may be written into a startup snapshot, and `started` in each process that starts
 * from it. In a process that will not be written it does nothing.
 */
export function onSnapshot(
  writing: () => void,
  started: () => void,
  snapshot: StartupSnapshot = nodeSnapshot,
  process: EventEmitter = globalThis.process,
): void {
  if (!snapshot.isBuildingSnapshot()) return
  // Node calls back once, when the event loop is empty, and goes on where it is not empty after that. So each time.
  const arm = (): void => snapshot.addSerializeCallback(writing)
  process.on('beforeExit', arm)
  snapshot.addDeserializeCallback(() => {
    process.off('beforeExit', arm)
    started()
  })
}
