import type { ResetContext } from '@forksafe/core'
import { type Cluster, Command, type Redis } from 'ioredis'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { expectNotBlocked } from './blocking-commands.ts'

/**
 * Waits for commands that `enableAutoPipelining` holds back: for the next turn of the event loop, and if some still remain,
 * for the replies to the commands sent before them. More may be held back afterwards.
 * @throws {Error} if such a reply may take long, or if the process has changed.
 */
export async function flushAutoPipelines(
  client: Redis | Cluster,
  nodes: readonly Redis[],
  context?: ResetContext,
): Promise<void> {
  await nextTurn()
  context?.checkProcess()
  if (client.autoPipelineQueueSize === 0) return
  for (const node of nodes) expectNotBlocked(node)
  await Promise.all(nodes.map((node) => sendNow(node, 'ping')))
  context?.checkProcess()
}

/** Sends a command at once, before the commands that are held back, and without `keyPrefix`. */
export function sendNow(
  client: Redis,
  name: string,
  ...args: (string | number | Buffer)[]
): Promise<unknown> {
  const command = new Command(name, args)
  void client.sendCommand(command)
  return command.promise
}
