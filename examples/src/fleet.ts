export interface Fleet {
  /** Processes and threads with a pool, on all machines, at the most that scaling and a deploy may start. */
  workers: number
  /** The `max` of each of their pools. */
  max: number
  /** Instances of PgBouncer, any of which may have to serve all workers. */
  bouncers: number
  /** The different pairs of database and user that the workers connect with. */
  pairs: number
  /** What the server has for them: `max_connections`, less what is reserved and what others need. */
  sessions: number
}

/** How each PgBouncer is set up, so that neither it nor the server refuses anybody. */
export function pgBouncerSettings({ workers, max, bouncers, pairs, sessions }: Fleet): {
  max_client_conn: number
  default_pool_size: number
} {
  const size = Math.floor(sessions / (bouncers * pairs))
  if (size >= 1) return { max_client_conn: workers * max, default_pool_size: size }
  throw new RangeError(`There is no session for each of ${bouncers} × ${pairs} pools of PgBouncer.`)
}
