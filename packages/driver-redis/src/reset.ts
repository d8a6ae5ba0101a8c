import { Command, type Redis } from 'ioredis'
import type { Channel, Session, Unsubscribe } from './session.ts'
import { blockingCommand } from './unanswered.ts'

/** What is heard on channels. */
const HEARD = [
  'message',
  'messageBuffer',
  'pmessage',
  'pmessageBuffer',
  'smessage',
  'smessageBuffer',
] as const

/**
 * Takes away what the last holder left in the session. One that is clean costs no round trip, also where ordinary answers
 * are still to come: the server answers in order.
 * @throws where that cannot be taken away, or nothing would be answered in time.
 */
export function reset(client: Redis, session: Session): Promise<void> | undefined {
  const blocking = client.commandQueue.length === 0 ? undefined : blockingCommand(client)
  if (blocking !== undefined) throw cannotReset(`\`${blocking}\` without an answer`)
  if (session.clean) return undefined
  return undo(client, session)
}

async function undo(client: Redis, session: Session): Promise<void> {
  failBeyondReset(session)
  // An EXEC that nobody waited for may be what ends it.
  if (client.commandQueue.length > 0) await client.ping()
  failBeyondReset(session)
  const answers: Promise<unknown>[] = []
  if (session.inMulti) answers.push(client.discard())
  else if (session.watching) answers.push(client.unwatch())
  for (const [unsubscribe, channels] of session.channels) {
    answers.push(leave(client, unsubscribe, channels))
  }
  if (session.elsewhere) answers.push(client.select(client.options.db ?? 0))
  if (session.renamed) {
    answers.push(client.client('SETNAME', client.options.connectionName ?? ''))
  }
  await Promise.all(answers)
  if (session.channels.size > 0) for (const event of HEARD) client.removeAllListeners(event)
  session.restored()
}

/**
 * Names every channel, because ioredis does not learn from the answers when an UNSUBSCRIBE without names has ended. As a
 * command of its own: the names have their `keyPrefix` already.
 */
function leave(
  client: Redis,
  unsubscribe: Unsubscribe,
  channels: ReadonlySet<Channel>,
): Promise<unknown> {
  const command = new Command(unsubscribe, [...channels])
  void client.sendCommand(command)
  return command.promise
}

function failBeyondReset({ beyondReset, demoted }: Session): void {
  if (demoted) throw new Error('The server has become a replica, which does not write.')
  if (beyondReset !== undefined) throw cannotReset(`\`${beyondReset}\``)
}

function cannotReset(left: string): Error {
  return new Error(`The last holder left ${left} behind, which cannot be taken back.`)
}
