export interface Sizing {
  /** What the server says: `show max_connections`. */
  maxConnections: number
  /** `superuser_reserved_connections`, and from PostgreSQL 16 on `reserved_connections`. */
  reserved: number
  /** Everybody else: migrations, cron jobs, dashboards, a psql or two. */
  others: number
  /** Processes and threads with a pool of their own, on all machines together. */
  workers: number
  /** How many generations of them run at once: 2 where a deploy starts the new ones before it ends the old ones. */
  overlap: number
}

/** The `max` with which every worker's pool can be full, and nobody is refused. */
export function maxPerWorker({
  maxConnections,
  reserved,
  others,
  workers,
  overlap,
}: Sizing): number {
  const max = Math.floor((maxConnections - reserved - others) / (workers * overlap))
  if (max >= 1) return max
  throw new RangeError(
    `There is no connection for each of ${workers} workers: put a pooler between.`,
  )
}
