import type { ClientBase } from 'pg'
import { closeWithConnection } from './closing.ts'
import { containErrors } from './contain.ts'
import { noticeSpoiling } from './spoiled.ts'
import { keepStatements } from './statements.ts'
import { noticeTimeouts } from './timeouts.ts'

/** Guards the sessions to come against what leaves one in an unknown state. Before the client connects. */
export function guard(client: ClientBase): void {
  containErrors(client)
  noticeSpoiling(client)
  noticeTimeouts(client)
  keepStatements(client)
  closeWithConnection(client)
}
