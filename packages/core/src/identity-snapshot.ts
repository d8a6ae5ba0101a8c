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
 * Calls `writing` right before this process is written into a startup snapshot, and `started` in each process that
 * starts from it. In a process that will not be written it does nothing.
 */
export function onSnapshot(
  writing: () => void,
  started: () => void,
  snapshot: StartupSnapshot = nodeSnapshot,
): void {
  if (!snapshot.isBuildingSnapshot()) return
  snapshot.addSerializeCallback(writing)
  snapshot.addDeserializeCallback(started)
}
