import type { ResetContext } from '@forksafe/core'
import type { Cluster, Redis } from 'ioredis'
import { flushAutoPipelines, sendNow } from './auto-pipelining.ts'
import { expectNotBlocked } from './blocking-commands.ts'
import type { ClusterNodes } from './cluster-nodes.ts'
import type { Session } from './session.ts'

/** The events by which messages of channels are received. */
const MESSAGE_EVENTS = [
  'message',
  'messageBuffer',
  'pmessage',
  'pmessageBuffer',
  'smessage',
  'smessageBuffer',
] as const

/**
 * Undoes what the last holder changed in the session. A clean session costs no round trip, even while ordinary commands are
 * unanswered: the server answers in order.
 * @throws {Error} if that cannot be undone, or if an answer may take long.
 */
export function reset(
  client: Redis,
  session: Session,
  context?: ResetContext,
): Promise<void> | undefined {
  expectResettable(session)
  if (client.autoPipelineQueueSize > 0) {
    return flushAutoPipelines(client, [client], context).then(() => reset(client, session, context))
  }
  expectNotBlocked(client)
  removeMessageListeners(client)
  return session.clean ? undefined : undo(client, session, context)
}

/**
 * Resets the session on each node of a cluster.
 * @throws {Error} as {@link reset} does, and after a subscription, which runs on a connection of its own.
 */
export function resetCluster(
  cluster: Cluster,
  nodes: ClusterNodes,
  context?: ResetContext,
): Promise<void> | undefined {
  const { unresettable, unknown } = nodes
  expectResettable({ unresettable, unknown })
  if (cluster.autoPipelineQueueSize > 0) {
    return flushAutoPipelines(cluster, [...nodes.sessions.keys()], context).then(() =>
      resetCluster(cluster, nodes, context),
    )
  }
  removeMessageListeners(cluster)
  const resets: Promise<void>[] = []
  for (const [node, session] of nodes.sessions) {
    const pending = reset(node, session, context)
    if (pending !== undefined) resets.push(pending)
  }
  return resets.length === 0 ? undefined : Promise.all(resets).then(() => undefined)
}

async function undo(client: Redis, session: Session, context?: ResetContext): Promise<void> {
  // An unanswered EXEC may end the transaction.
  if (client.commandQueue.length > 0) {
    await sendNow(client, 'ping')
    context?.checkProcess()
  }
  expectResettable(session)
  const answers: Promise<unknown>[] = []
  if (session.inMulti) answers.push(sendNow(client, 'discard'))
  else if (session.watching) answers.push(sendNow(client, 'unwatch'))
  for (const [unsubscribe, channels] of session.channels) {
    // Each channel is named: after an UNSUBSCRIBE without names ioredis cannot tell when it has been answered.
    answers.push(sendNow(client, unsubscribe, ...channels))
  }
  if (session.databaseChanged) answers.push(sendNow(client, 'select', client.options.db ?? 0))
  if (session.renamed) {
    answers.push(sendNow(client, 'client', 'SETNAME', client.options.connectionName ?? ''))
  }
  await Promise.all(answers)
  session.restored()
}

/** Also if the holder did not subscribe: the next one may. */
function removeMessageListeners(client: Redis | Cluster): void {
  for (const event of MESSAGE_EVENTS) client.removeAllListeners(event)
}

function expectResettable({ unresettable, serverError, unknown }: Partial<Session>): void {
  if (unknown !== undefined) {
    throw new Error('The last holder left the session in an unknown state.', { cause: unknown })
  }
  if (serverError !== undefined) {
    throw new Error('The server cannot serve; a new connection may reach another one.', {
      cause: serverError,
    })
  }
  if (unresettable !== undefined) {
    throw new Error(
      `Expected a connection that can be reset, but its holder sent \`${unresettable}\`.`,
    )
  }
}
