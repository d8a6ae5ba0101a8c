/** So many steps take a few milliseconds at most, even if each of them creates an error with a stack. */
const STEPS = 256

/** Calls `step` until it returns `false`. After 256 calls, the event loop turns before the next ones. */
export function inSlices(step: () => boolean): void {
  for (let steps = 0; steps < STEPS; steps++) if (!step()) return
  setImmediate(inSlices, step)
}
