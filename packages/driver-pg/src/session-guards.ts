import type { ClientBase } from 'pg'
import { closeCursorsWithConnection } from './close-cursors.ts'
import { endOnThrownErrors } from './end-on-thrown-errors.ts'
import { detectUnusableSession } from './unusable-session.ts'
import { trackNamedStatements } from './named-statements.ts'
import { detectQueryTimeouts } from './query-timeouts.ts'

/** Installs what detects that a session is in an unknown state. Call before the client connects. */
export function installGuards(client: ClientBase): void {
  endOnThrownErrors(client)
  detectUnusableSession(client)
  detectQueryTimeouts(client)
  trackNamedStatements(client)
  closeCursorsWithConnection(client)
}
