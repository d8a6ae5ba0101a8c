import type { TransactionWatch } from '@forksafe/sql'
import type { Client } from 'pg'
import { endingsOf } from './endings.ts'
import { keepListener } from './listeners.ts'
import { isReady } from './pending.ts'
import { escapesInStrings } from './strings.ts'

/** A query, or a cursor, a stream or a COPY. */
interface Submitted {
  readonly submit: unknown
  handleError(error: unknown, connection: unknown): void
  readonly text?: string
  readonly name?: string
  readonly cursor?: { readonly text?: string }
}

/** Parts of a client that pg does not type; `activeQuery` until pg 8.17, `_sentQueryQueue` since pg 8.22. */
interface Inner {
  readonly _activeQuery?: Submitted | null
  readonly activeQuery?: Submitted | null
  readonly _queryQueue?: Submitted[]
  readonly _sentQueryQueue?: readonly Submitted[]
  readonly connection: { readonly parsedStatements: Readonly<Record<string, string>> }
}

/** These tell what the server has done. It answers ROLLBACK TO with `ROLLBACK`, too. */
const COMMITTED = new Set(['COMMIT', 'PREPARE TRANSACTION'])
const ROLLED_BACK = 'ROLLBACK'

/**
 * Notices by the server's answers that `work` ends its transaction. Costs no round trip: the answer to each statement names
 * what it did, also in a text of several statements. A procedure cannot end the transaction that called it.
 */
export function watch(client: Client): TransactionWatch {
  const inner = client as Client & Inner
  const { connection } = client
  const ask = client.query.bind(client) as (text: string) => Promise<unknown>
  let restore = (): void => undefined
  let ended = false
  let unknown = false
  let stopped = false
  /** The query that is being answered, and how many of its statements that may end a transaction were. */
  let current: Submitted | undefined
  let answered = 0

  const activeQuery = (): Submitted | undefined =>
    ('_activeQuery' in inner ? inner._activeQuery : inner.activeQuery) ?? undefined

  const textOf = ({ text, name, cursor }: Submitted): string | undefined =>
    text ?? cursor?.text ?? (name === undefined ? name : inner.connection.parsedStatements[name])

  const mayEnd = (submitted: Submitted | undefined): boolean => {
    if (submitted === undefined) return false
    const text = textOf(submitted)
    return (
      text === undefined || endingsOf(text, escapesInStrings(client))?.includes('ends') !== false
    )
  }

  /** Answers are missing, and there may never be any. */
  const isWaiting = (): boolean => [activeQuery(), ...(inner._sentQueryQueue ?? [])].some(mayEnd)

  const completed = ({ text: command }: { readonly text: string }): void => {
    if (COMMITTED.has(command)) ended = true
    if (ended || command !== ROLLED_BACK) return
    const active = activeQuery()
    if (active !== current) answered = 0
    current = active
    const text = active && textOf(active)
    const ending =
      text === undefined ? undefined : endingsOf(text, escapesInStrings(client))?.[answered]
    answered++
    if (ending !== 'rolls back to a savepoint') ended = true
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
      for (const queued of inner._queryQueue?.splice(0) ?? []) fail(client, queued, reason)
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
  return ((config?: Partial<Submitted> & { callback?: unknown }, ...given: unknown[]): unknown => {
    if (typeof config?.submit === 'function') {
      fail(client, config as Submitted, reason)
      return config
    }
    const callback = [...given, config?.callback].find((one) => typeof one === 'function')
    // oxlint-disable-next-line typescript/prefer-promise-reject-errors -- it is the signal's reason
    if (callback === undefined) return Promise.reject(reason)
    process.nextTick(callback, reason)
    return undefined
  }) as Client['query']
}

function fail(client: Client, submitted: Submitted, error: unknown): void {
  process.nextTick(() => submitted.handleError(error, client.connection))
}
