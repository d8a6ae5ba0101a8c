import type { RedisOptions } from 'ioredis'

/**
 * Replies that speak of the server and not of the command: it has another role, no master, too few replicas, no disk, or
 * does not know this user. The next command on the connection would fail the same way. A new connection may reach another
 * host behind the same name, or the next master, or is made once the server serves again.
 *
 * Scripts and `EXECABORT` quote such a reply, as in `ERR Error running script … -READONLY You can't write …`.
 */
const OF_SERVER =
  /(?:^|[\s:-])(?:READONLY|MASTERDOWN|LOADING|NOREPLICAS|MISCONF|NOAUTH|CLUSTERDOWN) [A-Z]|^UNBLOCKED force unblock/

/** The role of the server, which is right where a replica was asked for. */
const OF_ROLE = /(?:^|[\s:-])READONLY [A-Z]|^UNBLOCKED force unblock/

/** A node that was demoted says so of every key. A `Cluster` follows it, and keeps the connection. */
const MOVED = /^MOVED \d/

/**
 * Whether a reply says that a new connection may serve better than this one. Not among them: what is about a key (`ASK`,
 * `TRYAGAIN`, `CROSSSLOT`), about a command (`NOPERM`, `CLIENT UNBLOCK`), and what a new connection would meet just the
 * same (`OOM`, `BUSY`).
 */
export function leavesServer(
  message: string,
  { readOnly, role }: Pick<RedisOptions, 'readOnly' | 'role'>,
  inCluster: boolean,
): boolean {
  if (!inCluster && MOVED.test(message)) return true
  if (!OF_SERVER.test(message)) return false
  return !((readOnly === true || role === 'slave') && OF_ROLE.test(message))
}
