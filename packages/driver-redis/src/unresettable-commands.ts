import type { Command } from 'ioredis'

/**
 * Commands after which the server sends replies that ioredis does not expect, or none, or treats the connection as another
 * user's or in another protocol. Some could be undone, but hardly anyone needs them in a pool.
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

/** Commands of which only some subcommands cannot be reset. */
const SUBCOMMANDS = new Map<string, (subcommand: string) => boolean>([
  ['client', (subcommand) => !RESETTABLE_OF_CLIENT.has(subcommand)],
  ['himport', (subcommand) => subcommand !== 'set'], // The others change the sets of fields that the connection knows.
  ['script', (subcommand) => subcommand === 'debug'],
])

/** Subcommands of `CLIENT` that change nothing on this connection, or only its name. All others, unknown ones too, cannot be reset. */
const RESETTABLE_OF_CLIENT = new Set([
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

/** Returns the name of a command that changes its session so that it cannot be reset, such as `CLIENT REPLY`; else `undefined`. */
export function unresettableCommand(command: Command): string | undefined {
  const name = command.name.toLowerCase()
  if (COMMANDS.has(name)) return name.toUpperCase()
  const isUnresettable = SUBCOMMANDS.get(name)
  if (isUnresettable === undefined) return undefined
  const subcommand = String(command.args[0]).toLowerCase()
  return isUnresettable(subcommand) ? `${name} ${subcommand}`.toUpperCase() : undefined
}
