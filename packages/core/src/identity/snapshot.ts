import type { EventEmitter } from 'node:events'
import { startupSnapshot } from 'node:v8'

/** The used part of `v8.startupSnapshot`. */
export interface StartupSnapshot {
  /** Tells whether this process will be written into a snapshot. `false` in a process that was started from one. */
  isBuildingSnapshot(): boolean
  addSerializeCallback(run: () => void): void
  addDeserializeCallback(run: () => void): void
}

/** Node's implementation. */
export const nodeSnapshot: StartupSnapshot = startupSnapshot

/**
 * Calls `writing` whenever this process may be written into a startup snapshot, and `started` in each process that starts from
 * it. Does nothing if no snapshot is being built.
 */
export function onSnapshot(
  writing: () => void,
  started: () => void,
  snapshot: StartupSnapshot = nodeSnapshot,
  process: EventEmitter = globalThis.process,
): void {
  if (!snapshot.isBuildingSnapshot()) return
  // Node calls the callback once, when the event loop is empty, but continues if the loop is not empty afterwards. So the
  // callback is added again each time.
  const arm = (): void => snapshot.addSerializeCallback(writing)
  process.on('beforeExit', arm)
  snapshot.addDeserializeCallback(() => {
    process.off('beforeExit', arm)
    started()
  })
}
