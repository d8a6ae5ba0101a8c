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

/** Commands of which only some subcommands are irreversible. */
const SUBCOMMANDS = new Map<string, (subcommand: string) => boolean>([
  ['client', (subcommand) => !REVERSIBLE_OF_CLIENT.has(subcommand)],
  ['himport', (subcommand) => subcommand !== 'set'], // The others change the sets of fields that the connection knows.
  ['script', (subcommand) => subcommand === 'debug'],
])

/** Subcommands of `CLIENT` that change nothing on this connection, or only its name. Unknown ones count as irreversible. */
const REVERSIBLE_OF_CLIENT = new Set([
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

/** Returns the name of a command that changes its session irreversibly, such as `CLIENT REPLY`; else `undefined`. */
export function irreversibleCommand(command: Command): string | undefined {
  const name = command.name.toLowerCase()
  if (COMMANDS.has(name)) return name.toUpperCase()
  const isIrreversible = SUBCOMMANDS.get(name)
  if (isIrreversible === undefined) return undefined
  const subcommand = String(command.args[0]).toLowerCase()
  return isIrreversible(subcommand) ? `${name} ${subcommand}`.toUpperCase() : undefined
}
