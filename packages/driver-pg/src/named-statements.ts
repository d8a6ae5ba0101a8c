import type { ClientBase } from 'pg'
import { type ConnectionInternals, connectionOf, hasPipeline, isPipelining } from './internals.ts'
import { markUnusable } from './unusable-session.ts'

/**
 * Keeps pg's list of named statements true:
 *
 * - pg closes a statement if it cannot serialise the values for it, and lists it all the same;
 * - it prepares an empty statement for a name without a text, and lists none.
 */
export function trackNamedStatements(client: ClientBase): void {
  const connection = connectionOf(client)
  if (connection === undefined) return
  const close = connection.close.bind(connection)
  const parse = connection.parse.bind(connection)
  connection.close = (message) => {
    const { type, name } = message
    if (type === 'S' && name) {
      // Before pg sends what comes next.
      connection.prependOnceListener('readyForQuery', () => forget(connection, name))
      if (isPipelining(client)) markUnusable(client, 'its list of named statements is wrong')
    }
    close(message)
  }
  connection.parse = (statement) => {
    if (statement.name && !statement.text) markUnusable(client, 'a named statement is empty')
    parse(statement)
  }
  if (!hasPipeline(client)) syncUnbound(connection)
}

/**
 * Makes pg before 8.22 close the statement and send a Sync if its values cannot be serialised, as later versions do. Otherwise, the
 * server would wait for more.
 */
function syncUnbound(connection: ConnectionInternals): void {
  const bind = connection.bind.bind(connection)
  connection.bind = (portal, more) => {
    try {
      bind(portal, more)
    } catch (error) {
      connection.close({ type: 'S', name: portal.statement })
      connection.sync()
      throw error
    }
  }
}

function forget(
  { parsedStatements, submittedNamedStatements }: ConnectionInternals,
  name: string,
): void {
  Reflect.deleteProperty(parsedStatements, name)
  if (submittedNamedStatements) Reflect.deleteProperty(submittedNamedStatements, name)
}
