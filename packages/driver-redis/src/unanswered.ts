import { Command, type Redis } from 'ioredis'
import { cannotReset } from './beyond-reset.ts'

/** ioredis knows of others. These answer when a replica, or the disk, has caught up. */
const WAITING = new Set(['wait', 'waitaof'])

/** The first of the commands without an answer that may be without one for long: what is asked behind it waits as long. */
export function blockingCommand({ commandQueue }: Redis): string | undefined {
  for (let place = 0; place < commandQueue.length; place++) {
    const command = commandQueue.peekAt(place)?.command as Command | undefined
    if (command !== undefined && isBlocking(command)) return command.name.toUpperCase()
  }
  return undefined
}

/** @throws where one of them is left. */
export function refuseBlocking(client: Redis): void {
  const blocking = client.commandQueue.length === 0 ? undefined : blockingCommand(client)
  if (blocking !== undefined) throw cannotReset(`\`${blocking}\` without an answer`)
}

function isBlocking(command: Command): boolean {
  const name = command.name.toLowerCase()
  if (WAITING.has(name)) return true
  if (!Command.checkFlag('BLOCKING_COMMANDS', name)) return false
  // Without BLOCK these answer at once.
  if (Command.checkFlag('BLOCK_OPTION_COMMANDS', name)) {
    return command.args.some((argument) => /^block$/i.test(String(argument)))
  }
  return true
}
