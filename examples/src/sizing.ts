export interface Sizing {
  /** The server's `max_connections`. */
  maxConnections: number
  /** The server's `superuser_reserved_connections`, plus `reserved_connections` since PostgreSQL 16. */
  reserved: number
  /** The connections of other clients: migrations, cron jobs, dashboards, psql. */
  others: number
  /** The number of processes and threads with a pool, on all machines together. */
  workers: number
  /** The number of their generations at once: 2 if a deploy starts the new ones before it ends the old ones. */
  overlap: number
}

/** Returns the `max` with which the pools of all workers can be full without a rejected connection. */
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
