import type { ResetContext } from '@forksafe/core'
import { type Cluster, Command, type Redis } from 'ioredis'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { refuseBlocking } from './unanswered.ts'

/**
 * Waits for the commands that ioredis holds back with `enableAutoPipelining`: until the next turn of the loop, or until
 * `nodes` have answered what they were sent before. There may be some yet.
 * @throws where such an answer may be long in coming, and where the process has changed.
 */
export async function untilSent(
  client: Redis | Cluster,
  nodes: readonly Redis[],
  context?: ResetContext,
): Promise<void> {
  await nextTurn()
  context?.checkProcess()
  if (client.autoPipelineQueueSize === 0) return
  for (const node of nodes) refuseBlocking(node)
  await Promise.all(nodes.map((node) => sendNow(node, 'ping')))
  context?.checkProcess()
}

/** Sends a command past those that are held back, with its arguments as they are: no `keyPrefix`. */
export function sendNow(
  client: Redis,
  name: string,
  ...args: (string | number | Buffer)[]
): Promise<unknown> {
  const command = new Command(name, args)
  void client.sendCommand(command)
  return command.promise
}
