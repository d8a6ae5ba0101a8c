import type { Lease } from '@forksafe/core'
import type { MysqlClient } from './client.ts'
import { open } from './open.ts'
import { sessionOf } from './session.ts'

/** The longest that a server may take to answer, before the connection is given up instead. */
const CANCEL_TIMEOUT_MILLIS = 5_000
const INTERRUPTED = 1317 // ER_QUERY_INTERRUPTED

/**
 * Ends the statement that runs on a lent connection, by a `KILL QUERY` on a connection of its own. When this settles the
 * server has done so, and it cannot strike what the next holder runs. `struck` is called once it has been told to.
 * @throws what kept the server from it.
 */
export async function cancel(
  lease: Lease<MysqlClient>,
  struck = (): void => undefined,
): Promise<void> {
  const client = lease.resource
  const { core, socket } = await open(
    sessionOf(client).target,
    AbortSignal.timeout(CANCEL_TIMEOUT_MILLIS),
  )
  try {
    const sql = `KILL QUERY ${client.threadId}`
    await core.promise().query({ sql, timeout: CANCEL_TIMEOUT_MILLIS })
    core.end()
  } catch (error) {
    socket.destroy()
    throw error
  }
  struck()
  await takeWhatIsLate(lease.resource)
}

/** Where the statement had ended by itself, an empty one is what the server may interrupt. */
async function takeWhatIsLate(client: MysqlClient): Promise<void> {
  try {
    await client.query('DO 0')
  } catch (error) {
    if ((error as { readonly errno?: unknown }).errno !== INTERRUPTED) throw error
  }
}
