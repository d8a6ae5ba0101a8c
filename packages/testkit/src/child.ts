import { AsyncLocalStorage } from 'node:async_hooks'
import { closeSync } from 'node:fs'
import { promiseHooks } from 'node:v8'
import { packError, writeAnswer, type Answer } from './answer.ts'
import type { Libc } from './libc.ts'

let generation = 0
/** The generation to which the running code belongs. */
const owner = new AsyncLocalStorage<number>()
/** The descriptor on which this process, if it is a child, sends its answer. */
let answerFd: number | undefined
let stopWatchingPromises: () => void = () => undefined

/** Returns the number of forks between this process and the one that was started as a program. */
export function forkDepth(): number {
  return generation
}

/**
 * Returns whether the running code is the parent's and continues in the child. It must not fork: a loop that forks twenty
 * children would otherwise continue in each of them.
 */
export function isParentsCode(): boolean {
  return (owner.getStore() ?? 0) !== generation
}

/**
 * Removes what the parent's test runner left in a child, so that only `answer` reports its outcome. Call it first in the
 * child, once it has its own event loop.
 */
export function becomeChild(libc: Libc, fd: number): void {
  generation += 1
  // On this descriptor only the parent sends an answer. No libuv handle uses it.
  if (answerFd !== undefined) closeSync(answerFd)
  answerFd = fd
  closeIpcChannel()

  for (const event of ['uncaughtException', 'unhandledRejection', 'beforeExit', 'exit'] as const) {
    process.removeAllListeners(event)
  }
  if (process.hasUncaughtExceptionCaptureCallback()) {
    process.setUncaughtExceptionCaptureCallback(null)
  }
  let stray: unknown
  const ownPromises = new WeakSet<Promise<unknown>>()
  stopWatchingPromises()
  stopWatchingPromises = promiseHooks.onInit((promise) => {
    if (!isParentsCode()) ownPromises.add(promise)
  }) as () => void
  process.on('uncaughtException', (error) => answer(libc, { ok: false, error: packError(error) }))
  process.on('unhandledRejection', (reason, promise) => {
    if (ownPromises.has(promise)) answer(libc, { ok: false, error: packError(reason) })
    // The parent will handle its promise later, in code that this process never reaches.
    else stray ??= reason
  })
  process.on('beforeExit', () => {
    const error = new Error('The work can never settle: the event loop is empty.', {
      cause: stray,
    })
    answer(libc, { ok: false, error: packError(error) })
  })
  process.exit = (code) => libc.exit(Number(code ?? process.exitCode ?? 0))
}

/** Runs the work, starting synchronously. Sends its outcome and exits. */
export function runWork(libc: Libc, work: () => unknown): void {
  owner.run(generation, () => {
    let outcome: unknown
    try {
      outcome = work()
    } catch (error) {
      answer(libc, { ok: false, error: packError(error) })
    }
    Promise.resolve(outcome).then(
      (value) => answer(libc, { ok: true, value }),
      (error: unknown) => answer(libc, { ok: false, error: packError(error) }),
    )
  })
}

/** Sends the outcome and exits. */
export function answer(libc: Libc, outcome: Answer): never {
  try {
    if (answerFd !== undefined) writeAnswer(answerFd, outcome)
    return libc.exit(0)
  } catch {
    return libc.exit(1) // The parent is gone or has closed the pipe.
  }
}

/**
 * Closes this process's copy of the IPC channel that `child_process.fork` opened for its parent, silently: it would read
 * messages to the parent.
 */
function closeIpcChannel(): void {
  // A test runner takes these events for the end of the other side. Its later messages find the channel closed.
  for (const event of ['disconnect', 'message', 'internalMessage', 'error']) {
    process.removeAllListeners(event)
  }
  process.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'ERR_IPC_CHANNEL_CLOSED') throw error
  })
  if (process.channel === undefined || process.channel === null) return
  // disconnect() closes the channel in the next tick, or later if a message is incomplete. The handle can be closed now.
  const symbol = Object.getOwnPropertySymbols(process).find(
    ({ description }) => description === 'kChannelHandle',
  )
  const handle =
    symbol && (process as unknown as Record<symbol, { close(): void } | undefined>)[symbol]
  process.disconnect?.()
  handle?.close()
}
