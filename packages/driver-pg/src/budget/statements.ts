import { createHash } from 'node:crypto'

/** The first halves of a group's lock keys. All fit into a positive `int4`. */
export interface LockClasses {
  /** For slots: the second half is the number of the slot, and a session holds it exclusively. */
  readonly slots: number
  /** For members: the second half is the number of the member, and each of its sessions holds it as a shared lock. */
  readonly members: number
}

export function lockClassesOf(group: string): LockClasses {
  const hash = createHash('sha256').update(`forksafe budget ${group}`).digest()
  return { slots: hash.readUInt32BE(0) >>> 1, members: hash.readUInt32BE(4) >>> 1 }
}

/**
 * Takes any free slot and names the member. Parameters: classes of slots and members, limit, the first slot to try, the member, and the
 * pid that the session must have, or null. A pooler in transaction mode would leave the locks with somebody else's session.
 */
export const TAKE = `
  SELECT pg_backend_pid() AS pid,
    (SELECT slot
     FROM (SELECT 1 + (n + $4::int) % $3::int AS slot FROM generate_series(0, $3::int - 1) AS n) AS slots
     WHERE ($6::int IS NULL OR pg_backend_pid() = $6::int) AND pg_try_advisory_lock($1::int, slot)
     LIMIT 1) AS slot,
    CASE WHEN $6::int IS NULL OR pg_backend_pid() = $6::int
      THEN pg_try_advisory_lock_shared($2::int, $5::int) END AS named`

/** Parameters: classes of slots and members. */
const HELD = `
  locks AS (
    SELECT pid, classid::bigint AS class, objid::bigint::int AS id, granted
    FROM pg_locks
    WHERE locktype = 'advisory' AND objsubid = 2 AND classid::bigint IN ($1::int, $2::int)
      AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
  ), awaited AS (
    SELECT id AS slot FROM locks WHERE class = $1::int AND NOT granted
  ), slots AS (
    SELECT slot.id AS slot, slot.pid, member.id AS member
    FROM locks AS slot JOIN locks AS member ON member.pid = slot.pid AND member.class = $2::int
    WHERE slot.class = $1::int AND slot.granted AND slot.id NOT IN (SELECT slot FROM awaited)
  ), held AS (
    SELECT member, count(*)::int AS count FROM slots GROUP BY member
  )`

/**
 * Chooses a slot that its holder should give, and asks the holder. Further parameters: the member that asks, how many it holds, its limit,
 * members that were asked in vain, and the prefix of the channel. The session that has been idle for longest is the one that a pool
 * gives first.
 */
export const ASK = `
  WITH ${HELD}, victim AS (
    SELECT slot, slots.pid, member
    FROM slots JOIN held USING (member) LEFT JOIN pg_stat_activity AS activity ON activity.pid = slots.pid
    WHERE member <> $3::int AND count > $4::int AND slot <= $5::int AND member <> ALL ($6::int[])
      AND (count >= $4::int + 2 OR coalesce(state, 'idle') = 'idle')
    ORDER BY coalesce(state, 'idle') = 'idle' DESC, count DESC, state_change
    LIMIT 1
  )
  SELECT slot, pid, member, clock_timestamp()::text AS asked, pg_notify($7 || member, $4::text)::text
  FROM victim`

/** Returns who holds slots. */
export const HOLDERS = `
  WITH ${HELD}
  SELECT coalesce(nullif(min(application_name), ''), 'pid ' || min(slots.pid)) AS name, count(*)::int AS count
  FROM slots LEFT JOIN pg_stat_activity AS activity ON activity.pid = slots.pid
  GROUP BY member ORDER BY count DESC LIMIT 20`

/**
 * Ends an idle session of a member that has not responded. Further parameters: the session, its member, when that was asked, and how long
 * both must have lasted, in milliseconds. A member that is alive uses one of its sessions when it is asked.
 */
export const EVICT = `
  WITH ${HELD}, response AS (
    SELECT max(state_change) AS at FROM slots JOIN pg_stat_activity USING (pid) WHERE member = $4::int
  )
  SELECT response.at > $5::timestamptz AS responded,
    CASE WHEN response.at <= $5::timestamptz AND $5::timestamptz < clock_timestamp() - $6::float * interval '1 ms'
      THEN (SELECT pg_terminate_backend(pid) FROM slots JOIN pg_stat_activity USING (pid)
            WHERE pid = $3::int AND state = 'idle' AND state_change < clock_timestamp() - $6::float * interval '1 ms')
    END AS evicted
  FROM response`

/** Waits for a slot. As one simple query, which is one transaction: the settings end with it, and the lock stays. */
export function waitFor({ slots }: LockClasses, slot: number, millis: number): string {
  return `SET LOCAL lock_timeout = ${Math.ceil(millis)}; SET LOCAL statement_timeout = 0; SELECT pg_advisory_lock(${slots}, ${slot})`
}
