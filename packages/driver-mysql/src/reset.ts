import type { ResetContext } from '@forksafe/core'
import mysql from 'mysql2'
import type { MysqlClient } from './client.ts'
import { type Session, sessionOf } from './session.ts'
import { setUp } from './setup.ts'
import { isWatched } from './watch.ts'

/**
 * Takes away what the last holder left in the session. One that is clean costs no round trip, one with nothing but an open
 * transaction a ROLLBACK, any other a reset of the whole session.
 * @throws where that cannot be taken away.
 */
export function reset(client: MysqlClient, context?: ResetContext): Promise<void> | undefined {
  const session = sessionOf(client)
  refuseUnusable(client)
  if (session.busy) return answered(client, session, context)
  session.prepared.closeOfHolder()
  return session.clean ? undefined : undo(client, session, context)
}

/** The same, of a session that may be less clean than it looks. */
export function resetAlways(
  client: MysqlClient,
  context?: ResetContext,
): Promise<void> | undefined {
  sessionOf(client).left = true
  return reset(client, context)
}

/** @throws where nobody else can use the connection any more. */
export function refuseUnusable(client: MysqlClient): void {
  const session = sessionOf(client)
  if (session.failing !== undefined) throw session.failing
  if (session.ended) throw new Error('The connection has ended.')
  if (session.anotherUser) throw new Error('The last holder left the session as another user.')
  if (session.overdue) throw new Error('A statement works on after its `timeout`.')
  if (!isWatched(client)) throw new Error('The last holder has removed the listeners of mysql2.')
  if (session.streaming) throw new Error('The last holder left a stream open: read it to its end.')
}

/** What is still being answered may be what begins something. */
async function answered(
  client: MysqlClient,
  session: Session,
  context?: ResetContext,
): Promise<void> {
  await client.ping()
  context?.checkProcess()
  session.prepared.closeOfHolder()
  if (!session.clean) await undo(client, session, context)
}

async function undo(client: MysqlClient, session: Session, context?: ResetContext): Promise<void> {
  const { beyondReset } = session
  if (beyondReset !== undefined) throw new Error(`The last holder left the session ${beyondReset}.`)
  const { left, announced, autocommits, ownAutocommit } = session
  if (left || announced || autocommits !== ownAutocommit)
    return resetSession(client, session, context)
  await client.query('ROLLBACK')
  session.restored()
}

/** The mode that mysql2 asks for when it connects, so that `count (*)` is a function's call. */
const IGNORE_SPACE_AGAIN = "sql_mode = CONCAT_WS(',', 'IGNORE_SPACE', @@sql_mode)"

/**
 * Resets the session by COM_RESET_CONNECTION. COM_CHANGE_USER would log in again, with a password that may have been rotated. Then
 * restores what COM_CHANGE_USER would keep: on MySQL the character set, the mode that ignores spaces, and the database.
 */
async function resetSession(
  client: MysqlClient,
  session: Session,
  context?: ResetContext,
): Promise<void> {
  const { elsewhere, database } = session
  await client.reset()
  context?.checkProcess()
  await restoreNames(client, session, context)
  if (elsewhere) {
    if (database === undefined) throw new Error('The last holder left the session in a database.')
    context?.checkProcess()
    await client.query(`USE ${client.escapeId(database)}`)
  }
  session.restored()
  if (session.setup !== undefined) {
    context?.checkProcess()
    await setUp(client, session.setup, context)
  }
}

/** Errors of a server that does not know a character set or a collation, or accepts it from no client. */
const UNKNOWN_NAMES = new Set<unknown>([
  1115, // ER_UNKNOWN_CHARACTER_SET
  1231, // ER_WRONG_VALUE_FOR_VAR
  1253, // ER_COLLATION_CHARSET_MISMATCH
  1273, // ER_UNKNOWN_COLLATION
])

/** At the login, a server uses these in place of a character set that it does not know. A reset of MariaDB may set any. */
const DEFAULT_NAMES =
  'character_set_client = DEFAULT, character_set_results = DEFAULT, collation_connection = DEFAULT'

async function restoreNames(
  client: MysqlClient,
  session: Session,
  context?: ResetContext,
): Promise<void> {
  if (session.knowsNames) {
    try {
      return await setNames(client, session, `NAMES ${namesOf(session.charsetNumber)}`)
    } catch (error) {
      if (!UNKNOWN_NAMES.has((error as { readonly errno?: unknown }).errno)) throw error
      session.knowsNames = false
      context?.checkProcess()
    }
  }
  await setNames(client, session, DEFAULT_NAMES)
}

async function setNames(client: MysqlClient, session: Session, names: string): Promise<void> {
  await client.query(`SET ${session.ignoresSpace ? `${names}, ${IGNORE_SPACE_AGAIN}` : names}`)
  session.restoreEncoding()
}

const { Charsets } = mysql as unknown as { readonly Charsets: Readonly<Record<string, number>> }

/** A character set and its collation, by the number that the server was told when it was connected to. */
function namesOf(number: number | undefined): string {
  // Without the short names, which stand for a default.
  const named = Object.entries(Charsets).filter(([name]) => name.includes('_'))
  const collation = named.find(([, value]) => value === number)?.[0].toLowerCase()
  if (collation === undefined) return 'binary'
  return `${collation.slice(0, collation.indexOf('_'))} COLLATE ${collation}`
}
