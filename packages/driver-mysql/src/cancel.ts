import type { Lease } from '@forksafe/core'
import { isUrl } from '@forksafe/core/methods'
import type { Connection } from 'mysql2'
import { Socket } from 'node:net'
import type { MysqlClient } from './client.ts'
import { type Address, open } from './open.ts'
import { ASK, type Session, sessionOf } from './session.ts'

/** The longest that each step may take. The pool waits for 3 seconds in all, and then closes the connection instead. */
const CANCEL_TIMEOUT_MILLIS = 3_000
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
  const session = sessionOf(client)
  const { core, socket } = await openBeside(session)
  try {
    const seen = await lookUp(core, client.threadId)
    if (isOf(session, seen)) await ask(core, `KILL QUERY ${client.threadId}`)
    else if (session.busy) throw new Error('The connection to cancel by reached another server.')
    core.end()
  } catch (error) {
    socket.destroy()
    throw error
  }
  struck()
  const { upload } = session
  if (upload !== undefined) {
    upload.destroy()
    throw new Error(
      'The server waits for the rest of a file, and does not notice before that it is to stop.',
    )
  }
  await takeWhatIsLate(lease.resource)
}

/** To the very address that the session is at: behind its host's name there may be several servers. */
async function openBeside({ target, socket }: Session): ReturnType<typeof open> {
  const own: unknown = typeof target === 'string' || isUrl(target) ? undefined : target.stream
  if (own !== undefined && typeof own !== 'function') {
    throw new Error('Its `stream` is no function, which would open another one to cancel by.')
  }
  return open(target, AbortSignal.timeout(CANCEL_TIMEOUT_MILLIS), addressOf(socket))
}

function addressOf(socket: unknown): Address | undefined {
  if (!(socket instanceof Socket)) return undefined
  const { remoteAddress: host, remotePort: port } = socket
  return host === undefined || port === undefined ? undefined : { host, port }
}

/** A session by the server's word: the client's end of its connection, and the statement that it runs. */
interface Seen {
  readonly client: string
  readonly statement: string | null
}

async function lookUp(core: Connection, id: number): Promise<Seen | undefined> {
  const [rows] = await ask(
    core,
    `SELECT host AS client, info AS statement FROM information_schema.processlist WHERE id = ${id}`,
  )
  return (rows as Seen[])[0]
}

/** Behind one address there may be several servers, too, and sessions of the same number. */
function isOf(session: Session, seen: Seen | undefined): boolean {
  if (seen === undefined) return false
  const { localPort } = session.socket as Partial<Socket>
  const port = /:(\d+)$/.exec(seen.client)?.[1]
  // A Unix socket has none.
  if (port === localPort?.toString()) return true
  // Where the server sees a proxy's port: it is most likely the one, if it runs the same.
  const { statement } = seen
  const { sent } = session
  return statement !== null && statement !== '' && sent !== '' && isTextOf(statement, sent)
}

/** The server may have filled in values, and tells of several statements the one that runs. */
function isTextOf(statement: string, sent: string): boolean {
  if (sent.includes(statement)) return true
  let from = 0
  return sent
    .replaceAll(/^\s+|[\s;]+$/g, '')
    .split('?')
    .every((piece) => {
      const at = statement.indexOf(piece, from)
      from = at + piece.length
      return at >= 0
    })
}

function ask(core: Connection, sql: string): Promise<[unknown, unknown]> {
  // Whatever the options say of rows.
  const asRows = { rowsAsArray: false, nestTables: false, typeCast: true } as const
  return core.promise().query({ sql, timeout: CANCEL_TIMEOUT_MILLIS, ...asRows })
}

/** Where the statement had ended by itself, an empty one is what the server may interrupt. */
async function takeWhatIsLate(client: MysqlClient): Promise<void> {
  try {
    await client.query(ASK)
  } catch (error) {
    if ((error as { readonly errno?: unknown }).errno !== INTERRUPTED) throw error
  }
}
