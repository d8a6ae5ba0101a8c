import { EventEmitter } from 'node:events'
import type { Client } from 'pg'

type Callback = (error: Error | null, result: unknown) => void

interface Question {
  readonly n: unknown
  readonly callback: Callback
}

const waiting: Question[] = []

function answerAll(): void {
  for (const { n, callback } of waiting.splice(0)) {
    process.nextTick(callback, null, { rows: [{ n }] })
  }
}

/**
 * A pg client without a server, which answers each query in the next turn of the event loop. So the measured time is the pool's
 * alone. It implements the members that pg-pool, generic-pool's example and the driver use, in the way that pg does.
 */
export class InstantClient extends EventEmitter {
  readonly _queryable = true
  readonly readyForQuery = true

  connect(callback?: () => void): Promise<void> | undefined {
    if (callback === undefined) return Promise.resolve()
    process.nextTick(callback)
    return undefined
  }

  end(callback?: () => void): Promise<void> {
    callback?.()
    return Promise.resolve()
  }

  query(_text: string, [n]: unknown[], callback?: Callback): Promise<unknown> | undefined {
    if (waiting.length === 0) setImmediate(answerAll)
    if (callback !== undefined) {
      waiting.push({ n, callback })
      return undefined
    }
    return new Promise((resolve, reject) => {
      const callback: Callback = (error, result) =>
        error === null ? resolve(result) : reject(error)
      waiting.push({ n, callback })
    }).catch((error: unknown) => {
      throw error
    })
  }

  getTransactionStatus(): 'I' {
    return 'I'
  }

  ref(): void {}
  unref(): void {}
}

/** The client with the type that the pools require. */
export const InstantPgClient = InstantClient as unknown as new (url?: string) => Client
