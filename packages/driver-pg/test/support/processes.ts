import { readFileSync } from 'node:fs'

/** The letter that `ps` shows, or `undefined` once the process is gone and collected. */
export function stateOf(pid: number): string | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1')
    return stat[stat.lastIndexOf(')') + 2]
  } catch {
    return undefined
  }
}

/** Whether the process runs: a zombie does not. */
export function isRunning(pid: number): boolean {
  return ![undefined, 'Z', 'X'].includes(stateOf(pid))
}

/** Keeps this process from doing anything at all until its child has ended, which nobody can have collected then. */
export function blockUntilEnded(pid: number): void {
  const never = new Int32Array(new SharedArrayBuffer(4))
  while (stateOf(pid) !== 'Z') Atomics.wait(never, 0, 0, 5)
}
