import { Worker } from 'node:worker_threads'

interface Pending {
  readonly resolve: (answer: unknown) => void
  readonly reject: (error: Error) => void
}

/** A worker thread that answers each message by one message, in order. */
export class TaskThread {
  readonly worker: Worker
  /** Resolves once the thread has ended, with the reason. */
  readonly ended: Promise<Error>
  #endReason: Error | undefined
  readonly #pending: Pending[] = []

  /** `file` is the program of the thread. */
  constructor(file: string) {
    this.worker = new Worker(file)
    let reason = new Error('The thread ended.')
    // Without a listener, an error would crash the process.
    this.worker.on('error', (error) => (reason = error))
    this.worker.on('message', (answer) => this.#pending.shift()?.resolve(answer))
    this.ended = new Promise((resolve) => {
      this.worker.on('exit', () => {
        this.#endReason = reason
        for (const { reject } of this.#pending.splice(0)) reject(reason)
        resolve(reason)
      })
    })
  }

  run(task: unknown): Promise<unknown> {
    return new Promise((resolve, reject) => {
      // A thread that has ended ignores messages without an error.
      if (this.#endReason !== undefined) throw this.#endReason
      this.#pending.push({ resolve, reject })
      // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread has no origin
      this.worker.postMessage(task)
    })
  }

  /** Stops the thread, also in the middle of a task. Does not wait. */
  stop(): void {
    void this.worker.terminate()
  }
}
