import type { ResetContext } from '@forksafe/core'
import type { MysqlClient } from './client.ts'
import { refuse, untyped } from './internals.ts'
import { sessionOf } from './session.ts'

/** Sets up a session: a statement, or a function. */
export type SessionSetup = string | ((client: MysqlClient) => unknown)

/**
 * Sets up a session that was opened or reset. What the setup changes belongs to the session from then on.
 * @throws if it fails, or leaves a transaction, a stream or another user.
 */
export async function setUp(
  client: MysqlClient,
  setup: SessionSetup,
  context?: ResetContext,
): Promise<void> {
  const session = sessionOf(client)
  const stopChecking = context && checkEach(client, context)
  try {
    if (typeof setup === 'string') await client.query(setup)
    else await setup(client)
    // It may not have waited for all its answers.
    if (session.busy && !session.streaming) await client.ping()
  } finally {
    stopChecking?.()
  }
  if (session.streaming) throw leftWith('an open stream')
  if (session.mayBeInTransaction) throw leftWith('an open transaction')
  if (session.anotherUser) throw leftWith('another user')
  session.beyondReset = undefined
  session.restored()
  session.prepared.keep()
}

function leftWith(what: string): TypeError {
  return new TypeError(`Expected \`setup\` not to leave the session with ${what}.`)
}

/** The process may change between two statements of a function. */
function checkEach(client: MysqlClient, context: ResetContext): () => void {
  const core = untyped(client.connection)
  const { addCommand } = core
  const checked: typeof addCommand = (command) => {
    try {
      context.checkProcess()
    } catch (error) {
      return refuse(command, error as Error)
    }
    return addCommand.call(core, command)
  }
  core.addCommand = checked
  return () => {
    // It is another one if the connection was closed in the meantime.
    if (core.addCommand === checked) core.addCommand = addCommand
  }
}
