import type { Command } from 'ioredis'

/**
 * After these the server answers what ioredis did not ask, or nothing, as to another user, or in another protocol.
 * Some could be undone, but hardly anybody has a use for them in a pool.
 */
const COMMANDS = new Set([
  'asking',
  'auth',
  'hello',
  'monitor',
  'psync',
  'quit',
  'readonly',
  'readwrite',
  'reset',
  'sync',
])

/** Commands that leave something by some of their verbs only. */
const VERBS = new Map<string, (verb: string) => boolean>([
  ['client', (verb) => !HARMLESS_OF_CLIENT.has(verb)],
  ['himport', (verb) => verb !== 'set'], // The others change which sets of fields the connection knows.
  ['script', (verb) => verb === 'debug'],
])

/** The verbs of `CLIENT` that change nothing, or a name, which can be taken back; what is not known does more. */
const HARMLESS_OF_CLIENT = new Set([
  'getname',
  'getredir',
  'help',
  'id',
  'info',
  'kill',
  'list',
  'pause',
  'setinfo',
  'setname',
  'trackinginfo',
  'unblock',
  'unpause',
])

/** What the command leaves in the session that cannot be taken back, as in `CLIENT REPLY`; `undefined` for nothing. */
export function leftBy(command: Command): string | undefined {
  const name = command.name.toLowerCase()
  if (COMMANDS.has(name)) return name.toUpperCase()
  const leaves = VERBS.get(name)
  if (leaves === undefined) return undefined
  const verb = String(command.args[0]).toLowerCase()
  return leaves(verb) ? `${name} ${verb}`.toUpperCase() : undefined
}

/** Why a connection is not lent again. */
export function cannotReset(left: string): Error {
  return new Error(`The last holder left ${left} behind, which cannot be taken back.`)
}
