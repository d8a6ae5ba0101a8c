/** How long answers may take, at least, before waiting callers come first. */
const PATIENCE_MILLIS = 3_000
const LOOK_EVERY_MILLIS = 250

/** A resource that its holder has returned before every request was answered. */
export interface PendingAnswers {
  /** Whether the answers will never come, or too late. */
  isHopeless(): boolean
  /** Whether a caller waits for a resource. */
  isWaitedFor(): boolean
  /** Returns a number that changes whenever the connection gets on, such as its count of bytes. Default: 0. */
  progress?(): number
  /** Ends the resource. Called at most once. */
  giveUp(): void
}

/**
 * Calls `giveUp` as soon as the answers are hopeless, or if callers wait for a resource and there has been no progress for 3 seconds:
 * there may never be an answer. Returns a function that stops the watch.
 */
export function watchPendingAnswers(pending: PendingAnswers): () => void {
  let progress = 0
  let since = performance.now()
  const timer = setInterval(() => {
    const now = pending.progress?.() ?? 0
    if (now !== progress) {
      progress = now
      since = performance.now()
    }
    const isPatient = performance.now() - since < PATIENCE_MILLIS
    if (!pending.isHopeless() && (isPatient || !pending.isWaitedFor())) return
    clearInterval(timer)
    pending.giveUp()
  }, LOOK_EVERY_MILLIS).unref()
  return () => clearInterval(timer)
}
