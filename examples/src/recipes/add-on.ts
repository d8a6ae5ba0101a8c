import { afterFork } from '@forksafe/core'

export interface Addon {
  /** Calls `fork()`, and in the child `uv_loop_fork()`. Returns the child's pid, or 0 in the child. */
  fork(): number
}

export function forkWorker(addon: Addon, work: () => void): number {
  const pid = addon.fork()
  if (pid === 0) {
    afterFork() // before anything else
    work()
  }
  return pid
}
