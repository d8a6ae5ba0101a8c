import { type ForkSafePool, type Lease, onAbort } from '@forksafe/core'
import { cancelOrEnd } from '@forksafe/sql'
import type { QueryOptions as Statement, QueryValues, RowDataPacket } from 'mysql2'
import type { Readable } from 'node:stream'
import { cancel } from './cancel.ts'
import type { MysqlClient } from './client.ts'
import { sessionOf } from './session.ts'

/** How to read rows one after the other. */
export interface StreamOptions {
  /** When it aborts, the iteration rejects with its `reason`, and the statement is killed on the server. Default: none. */
  readonly signal?: AbortSignal | undefined
  /** How many rows may wait to be read. A whole number of at least 0. Default: Node's, 16. */
  readonly highWaterMark?: number | undefined
}

/** Borrows a connection for as long as its rows are read. Where they are not read to the end, the rest is not sent. */
export async function* rowsOf<R extends RowDataPacket>(
  pool: ForkSafePool<MysqlClient>,
  statement: Statement,
  values: QueryValues,
  { signal, highWaterMark }: StreamOptions = {},
): AsyncGenerator<R, void, undefined> {
  const lease = await pool.acquire({ signal })
  const client = lease.resource
  const core = client.connection
  let rows: Readable | undefined
  const fail = (error: Error): void => void rows?.destroy(error)
  const stopListening = signal && onAbort(signal, () => fail(signal.reason as Error))
  // A lost connection is told of to the connection alone.
  core.on('error', fail)
  try {
    const query = core.query(statement, values)
    // Once the stream is destroyed it does not listen, and mysql2 would take an error of the server for its own.
    query.on('error', () => undefined)
    const headers = new WeakSet<object>()
    // A row comes with the number of its result. The header of a result without rows, as behind those of a procedure, does not.
    query.on('result', (row: object, index?: number) => {
      if (index === undefined) headers.add(row)
    })
    rows = query.stream(highWaterMark === undefined ? {} : { highWaterMark })
    for await (const row of rows.iterator({ destroyOnReturn: false })) {
      if (!headers.has(row as object)) yield row as R
    }
  } finally {
    stopListening?.()
    core.off('error', fail)
    if (rows !== undefined && sessionOf(client).busy) void stop(lease, rows)
    else lease[Symbol.dispose]()
  }
}

/** Reads on only when the server has been told to stop. */
async function stop(lease: Lease<MysqlClient>, rows: Readable): Promise<void> {
  await cancelOrEnd(lease, () => cancel(lease, () => rows.destroy()))
  rows.destroy()
  lease[Symbol.dispose]()
}
