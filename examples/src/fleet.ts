export interface Fleet {
  /** The maximum number of processes and threads with a pool, on all machines, including scaling and deploys. */
  workers: number
  /** The `max` of each of their pools. */
  max: number
  /** The number of PgBouncer instances, any of which may have to serve all workers. */
  bouncers: number
  /** The number of different pairs of database and user that the workers connect with. */
  pairs: number
  /** The number of sessions available to them: `max_connections`, minus the reserved ones and those of other clients. */
  sessions: number
}

/** Returns settings for each PgBouncer with which neither it nor the server rejects a connection. */
export function pgBouncerSettings({ workers, max, bouncers, pairs, sessions }: Fleet): {
  max_client_conn: number
  default_pool_size: number
} {
  const size = Math.floor(sessions / (bouncers * pairs))
  if (size >= 1) return { max_client_conn: workers * max, default_pool_size: size }
  throw new RangeError(`There is no session for each of ${bouncers} × ${pairs} pools of PgBouncer.`)
}
