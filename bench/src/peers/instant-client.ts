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
 * A client of pg without a server: every query of one turn of the event loop is answered in the next. What is left to
 * time is the pool. It has what pg-pool, generic-pool's example and the driver use of a client, done as pg does it.
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

/** As the pools' types want it. */
export const InstantPgClient = InstantClient as unknown as new (url?: string) => Client
