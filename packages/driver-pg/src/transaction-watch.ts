import { keepListener } from '@forksafe/core/methods'
import type { TransactionWatch } from '@forksafe/sql'
import type { Client } from 'pg'
import {
  type ActiveQuery,
  activeQueryOf,
  connectionOf,
  isReady,
  queuedQueriesOf,
  sentQueriesOf,
} from './internals.ts'
import { backslashEscapesIn } from './string-escapes.ts'
import { transactionEffectsOf } from './transaction-effects.ts'

/** These tell what the server has done. It answers ROLLBACK TO with `ROLLBACK`, too. */
const COMMITTED = new Set(['COMMIT', 'PREPARE TRANSACTION'])
const ROLLED_BACK = 'ROLLBACK'

/**
 * Notices by the server's answers that `work` ends its transaction. Costs no round trip: the answer to each statement names
 * what it did, also in a text of several statements. A procedure cannot end the transaction that called it.
 */
export function watch(client: Client): TransactionWatch {
  const { connection } = client
  const ask = client.query.bind(client) as (text: string) => Promise<unknown>
  let restore = (): void => undefined
  let ended = false
  let unknown = false
  let stopped = false
  /** The query that is being answered, and how many of its statements that may end a transaction were. */
  let current: ActiveQuery | undefined
  let answered = 0

  const textOf = ({ text, name, cursor }: ActiveQuery): string | undefined =>
    text ??
    cursor?.text ??
    (name === undefined ? name : connectionOf(client)?.parsedStatements[name])

  const mayEnd = (query: ActiveQuery | undefined): boolean => {
    if (query === undefined) return false
    const text = textOf(query)
    return (
      text === undefined ||
      transactionEffectsOf(text, backslashEscapesIn(client))?.includes('ends') !== false
    )
  }

  /** Answers are missing, and there may never be any. */
  const isWaiting = (): boolean => [activeQueryOf(client), ...sentQueriesOf(client)].some(mayEnd)

  const completed = ({ text: command }: { readonly text: string }): void => {
    if (COMMITTED.has(command)) ended = true
    if (ended || command !== ROLLED_BACK) return
    const active = activeQueryOf(client)
    if (active !== current) answered = 0
    current = active
    const text = active && textOf(active)
    const effect =
      text === undefined
        ? undefined
        : transactionEffectsOf(text, backslashEscapesIn(client))?.[answered]
    answered++
    if (effect !== 'rolls back to a savepoint') ended = true
  }
  const ready = ({ status }: { readonly status: string }): void => {
    if (status === 'I') ended = true
    current = undefined
  }
  /** Before pg forgets what was running. */
  const lost = (): void => {
    unknown ||= isWaiting()
  }

  /** What is answered may send more. */
  const answers = async (): Promise<void> => {
    while (!isReady(client)) await ask('')
  }

  for (const listener of [completed, ready, lost]) keepListener(connection, listener)
  connection.on('commandComplete', completed)
  connection.on('readyForQuery', ready)
  connection.prependListener('error', lost)
  connection.prependListener('end', lost)

  return {
    get outcome() {
      if (ended) return 'ended'
      return unknown || (!stopped && isWaiting()) ? 'unknown' : 'open'
    },

    refuse(reason) {
      if (stopped) return
      restore = replaceQuery(client, refusing(client, reason))
      for (const queued of queuedQueriesOf(client).splice(0)) fail(client, queued, reason)
    },

    settle() {
      return isReady(client) ? undefined : answers()
    },

    stop() {
      if (stopped) return
      unknown ||= isWaiting()
      stopped = true
      connection.off('commandComplete', completed)
      connection.off('readyForQuery', ready)
      connection.off('error', lost)
      connection.off('end', lost)
      restore()
    },
  }
}

/** Returns a function that undoes it. */
function replaceQuery(client: Client, query: Client['query']): () => void {
  const before = Object.getOwnPropertyDescriptor(client, 'query')
  client.query = query
  return () => {
    if (before === undefined) Reflect.deleteProperty(client, 'query')
    else Object.defineProperty(client, 'query', before)
  }
}

/** Takes the place of `client.query`, in each of its forms. */
function refusing(client: Client, reason: unknown): Client['query'] {
  return ((
    config?: Partial<ActiveQuery> & { callback?: unknown },
    ...given: unknown[]
  ): unknown => {
    if (typeof config?.submit === 'function') {
      fail(client, config as ActiveQuery, reason)
      return config
    }
    const callback = [...given, config?.callback].find((one) => typeof one === 'function')
    // oxlint-disable-next-line typescript/prefer-promise-reject-errors -- it is the signal's reason
    if (callback === undefined) return Promise.reject(reason)
    process.nextTick(callback, reason)
    return undefined
  }) as Client['query']
}

function fail(client: Client, query: ActiveQuery, error: unknown): void {
  process.nextTick(() => query.handleError(error, client.connection))
}
