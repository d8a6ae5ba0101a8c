import type { Client, ClientBase } from 'pg'
import { spoil } from './spoiled.ts'

interface Message {
  readonly type: string
  readonly name?: string | undefined
}

interface Portal {
  readonly statement?: string | undefined
}

interface Statement {
  readonly name?: string | undefined
  readonly text?: string | undefined
}

/** What pg keeps of the named statements of a session, and does not type; `submittedNamedStatements` since pg 8.22. */
export interface Named {
  parsedStatements: Record<string, string>
  submittedNamedStatements?: Record<string, string>
}

/** pg's side of the protocol. */
interface Wire extends Named {
  bind(portal: Portal, more?: boolean): void
  close(message: Message): void
  parse(statement: Statement): void
  sync(): void
}

/**
 * Keeps pg's list of named statements true:
 *
 * - pg closes a statement if it cannot serialise the values for it, and lists it all the same;
 * - it prepares an empty statement for a name without a text, and lists none.
 */
export function keepStatements(client: ClientBase): void {
  // pg-native has no connection.
  const { connection } = client as Partial<Client>
  if (connection === undefined) return
  const wire = connection as unknown as Wire
  const close = wire.close.bind(wire)
  const parse = wire.parse.bind(wire)
  wire.close = (message) => {
    const { type, name } = message
    if (type === 'S' && name) {
      // Before pg sends what comes next.
      connection.prependOnceListener('readyForQuery', () => forget(wire, name))
      if (isPipelining(client)) spoil(client, `its list of named statements is wrong`)
    }
    close(message)
  }
  wire.parse = (statement) => {
    if (statement.name && !statement.text) spoil(client, 'a named statement is empty')
    parse(statement)
  }
  // Since pg 8.22.
  if (!('_sentQueryQueue' in client)) syncUnbound(wire)
}

/** Does what later versions of pg do if the values for a statement cannot be serialised: this one leaves the server waiting. */
function syncUnbound(wire: Wire): void {
  const bind = wire.bind.bind(wire)
  wire.bind = (portal, more) => {
    try {
      bind(portal, more)
    } catch (error) {
      wire.close({ type: 'S', name: portal.statement })
      wire.sync()
      throw error
    }
  }
}

function forget({ parsedStatements, submittedNamedStatements }: Named, name: string): void {
  Reflect.deleteProperty(parsedStatements, name)
  if (submittedNamedStatements) Reflect.deleteProperty(submittedNamedStatements, name)
}

/** Then the next answer is not that to the last query. */
function isPipelining(client: ClientBase): boolean {
  return (client as { readonly pipeline?: boolean }).pipeline === true
}
