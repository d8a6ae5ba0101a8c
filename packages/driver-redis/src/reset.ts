import type { ResetContext } from '@forksafe/core'
import type { Cluster, Redis } from 'ioredis'
import { cannotReset } from './beyond-reset.ts'
import { sendNow, untilSent } from './held-back.ts'
import type { Nodes } from './nodes.ts'
import type { Session } from './session.ts'
import { refuseBlocking } from './unanswered.ts'

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
export function reset(
  client: Redis,
  session: Session,
  context?: ResetContext,
): Promise<void> | undefined {
  failBeyondReset(session)
  if (client.autoPipelineQueueSize > 0) {
    return untilSent(client, [client], context).then(() => reset(client, session, context))
  }
  refuseBlocking(client)
  stopListening(client)
  return session.clean ? undefined : undo(client, session, context)
}

/**
 * The same on each node of a cluster.
 * @throws as {@link reset} does, and for a subscription: its connection is another one.
 */
export function resetCluster(
  cluster: Cluster,
  nodes: Nodes,
  context?: ResetContext,
): Promise<void> | undefined {
  const { beyondReset, unknown } = nodes
  failBeyondReset({ beyondReset, unknown })
  if (cluster.autoPipelineQueueSize > 0) {
    return untilSent(cluster, [...nodes.sessions.keys()], context).then(() =>
      resetCluster(cluster, nodes, context),
    )
  }
  stopListening(cluster)
  const resets: Promise<void>[] = []
  for (const [node, session] of nodes.sessions) {
    const pending = reset(node, session, context)
    if (pending !== undefined) resets.push(pending)
  }
  return resets.length === 0 ? undefined : Promise.all(resets).then(() => undefined)
}

async function undo(client: Redis, session: Session, context?: ResetContext): Promise<void> {
  // An EXEC that nobody waited for may be what ends it.
  if (client.commandQueue.length > 0) {
    await sendNow(client, 'ping')
    context?.checkProcess()
  }
  failBeyondReset(session)
  const answers: Promise<unknown>[] = []
  if (session.inMulti) answers.push(sendNow(client, 'discard'))
  else if (session.watching) answers.push(sendNow(client, 'unwatch'))
  for (const [unsubscribe, channels] of session.channels) {
    // By name: ioredis does not learn from the answers when an UNSUBSCRIBE without names has ended.
    answers.push(sendNow(client, unsubscribe, ...channels))
  }
  if (session.elsewhere) answers.push(sendNow(client, 'select', client.options.db ?? 0))
  if (session.renamed) {
    answers.push(sendNow(client, 'client', 'SETNAME', client.options.connectionName ?? ''))
  }
  await Promise.all(answers)
  session.restored()
}

/** Also where the holder did not subscribe: the next one may. */
function stopListening(client: Redis | Cluster): void {
  for (const event of HEARD) client.removeAllListeners(event)
}

function failBeyondReset({ beyondReset, unfit, unknown }: Partial<Session>): void {
  if (unknown !== undefined) {
    throw new Error('The last holder left the session in an unknown state.', { cause: unknown })
  }
  if (unfit !== undefined) {
    throw new Error('The server cannot serve; another one may.', { cause: unfit })
  }
  if (beyondReset !== undefined) throw cannotReset(`\`${beyondReset}\``)
}
