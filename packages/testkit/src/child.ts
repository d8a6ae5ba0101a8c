import { AsyncLocalStorage } from 'node:async_hooks'
import { closeSync } from 'node:fs'
import { promiseHooks } from 'node:v8'
import { packError, writeAnswer, type Answer } from './answer.ts'
import type { Libc } from './libc.ts'

let generation = 0
/** The generation whose work the running code belongs to. */
const owner = new AsyncLocalStorage<number>()
/** Where this process, if it is a child, sends its answer. */
let answerFd: number | undefined
let stopWatchingPromises: () => void = () => undefined

/** How many forks lie between this process and the one that was started as a program. */
export function forkDepth(): number {
  return generation
}

/**
 * Whether the running code is a copy of the parent's, carried on in the child. It must not fork: a loop that starts
 * twenty children would otherwise go on in each of them.
 */
export function isParentsCode(): boolean {
  return (owner.getStore() ?? 0) !== generation
}

/**
 * First thing in a child, which has a loop of its own already: lets go of what the parent's harness left in it, so that
 * nothing but `answer` tells anyone of it.
 */
export function becomeChild(libc: Libc, fd: number): void {
  generation += 1
  // The answer of this process's parent is not ours to send. No libuv handle stands on that descriptor.
  if (answerFd !== undefined) closeSync(answerFd)
  answerFd = fd
  leaveIpcChannel()

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
    // The parent handles its promise later, in code that this process never reaches.
    else stray ??= reason
  })
  process.on('beforeExit', () => {
    const error = new Error('The work can never settle: nothing is left to wait for.', {
      cause: stray,
    })
    answer(libc, { ok: false, error: packError(error) })
  })
  process.exit = (code) => libc.exit(Number(code ?? process.exitCode ?? 0))
}

/** Runs the work, its synchronous part at once, and leaves with its answer. */
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

/** Sends the answer and leaves. */
export function answer(libc: Libc, outcome: Answer): never {
  try {
    if (answerFd !== undefined) writeAnswer(answerFd, outcome)
    return libc.exit(0)
  } catch {
    return libc.exit(1) // The parent is gone, or has closed the pipe: nobody is left to tell.
  }
}

/**
 * Lets go of the IPC channel of a process that was itself started with `child_process.fork`: else this process would
 * read messages meant for its parent. Silent: the channel is closed here and stays open there.
 */
function leaveIpcChannel(): void {
  // A harness takes these for the end of its other side. What it still sends finds the channel closed.
  for (const event of ['disconnect', 'message', 'internalMessage', 'error']) {
    process.removeAllListeners(event)
  }
  process.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'ERR_IPC_CHANNEL_CLOSED') throw error
  })
  if (process.channel === undefined || process.channel === null) return
  // disconnect() closes the channel at the next tick, or later if half a message has come. The handle can be closed now.
  const symbol = Object.getOwnPropertySymbols(process).find(
    ({ description }) => description === 'kChannelHandle',
  )
  const handle =
    symbol && (process as unknown as Record<symbol, { close(): void } | undefined>)[symbol]
  process.disconnect?.()
  handle?.close()
}
