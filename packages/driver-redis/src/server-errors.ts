import type { RedisOptions } from 'ioredis'

/**
 * Replies about the server rather than the command: it has another role, no master, too few replicas or no disk space, or
 * does not know the user. The next command on the connection would fail too. A new connection may reach another host
 * behind the same name, or the next master, or is opened only once the server can serve again.
 *
 * Scripts and `EXECABORT` quote such a reply, as in `ERR Error running script … -READONLY You can't write …`.
 */
const ABOUT_SERVER =
  /(?:^|[\s:-])(?:READONLY|MASTERDOWN|LOADING|NOREPLICAS|MISCONF|NOAUTH|CLUSTERDOWN) [A-Z]|^UNBLOCKED force unblock/

/** Replies of a replica, which are expected if a replica was asked for. */
const ABOUT_ROLE = /(?:^|[\s:-])READONLY [A-Z]|^UNBLOCKED force unblock/

/** The reply of a demoted cluster node for every key. A `Cluster` follows it and keeps the connection. */
const MOVED = /^MOVED \d/

/**
 * Returns whether an error reply means that a new connection may serve better than this one. It does not if the reply is
 * about a key (`ASK`, `TRYAGAIN`, `CROSSSLOT`) or a command (`NOPERM`, `CLIENT UNBLOCK`), or if a new connection would get
 * the same reply (`OOM`, `BUSY`).
 */
export function cannotServe(
  message: string,
  { readOnly, role }: Pick<RedisOptions, 'readOnly' | 'role'>,
  inCluster: boolean,
): boolean {
  if (!inCluster && MOVED.test(message)) return true
  if (!ABOUT_SERVER.test(message)) return false
  return !((readOnly === true || role === 'slave') && ABOUT_ROLE.test(message))
}
