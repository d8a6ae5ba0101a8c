import { Command, type Redis } from 'ioredis'
import { unansweredCommands } from './internals.ts'

/** Blocking commands that ioredis does not list. They answer once replicas, or the disk, have caught up. */
const WAITING = new Set(['wait', 'waitaof'])

/**
 * Returns the name of the first unanswered command that may block the connection. Commands behind it would wait as long as
 * it does.
 */
export function blockingCommand(client: Redis): string | undefined {
  if (client.commandQueue.length === 0) return undefined
  return unansweredCommands(client).find(isBlocking)?.name.toUpperCase()
}

/** @throws {Error} if a blocking command has no reply yet. */
export function expectNotBlocked(client: Redis): void {
  const name = blockingCommand(client)
  if (name === undefined) return
  throw new Error(`Expected a connection that can be reset, but \`${name}\` is still unanswered.`)
}

function isBlocking(command: Command): boolean {
  const name = command.name.toLowerCase()
  if (WAITING.has(name)) return true
  if (!Command.checkFlag('BLOCKING_COMMANDS', name)) return false
  // These block only with the option BLOCK.
  if (Command.checkFlag('BLOCK_OPTION_COMMANDS', name)) {
    return command.args.some((argument) => /^block$/i.test(String(argument)))
  }
  return true
}
