import { spawnSync } from 'node:child_process'

/**
 * Keeps a process, and what it starts from then on, on one processor; returns whether that can be had here. Left to the
 * scheduler, the server process of whoever connected first runs elsewhere than the next one's, and a fifth faster.
 */
export function pin(pid: number, processor: number): boolean {
  return spawnSync('taskset', ['-acp', String(processor), String(pid)]).status === 0
}
