import { setTimeout as sleep } from 'node:timers/promises'
import { Client } from 'pg'
import { CONNECTIONS } from './plan.ts'
import type { AnyPool, Queryable } from './pools.ts'
import { messageOf, within } from './within.ts'

const LOOK_MILLIS = 3_000
/** Longer than a fork takes, so that the answer arrives when every process listens. */
const IN_FLIGHT_SECONDS = 0.5

/** The problems with what the parent held. Absent if it was kept. */
export interface Found {
  readonly backendsKept: number
  readonly transactionLost?: string | undefined
  readonly inFlightLost?: string | undefined
}

/**
 * Makes the parent hold what programs hold at the moment of a fork: a full pool, an open transaction, a query in flight.
 * Returns a function that checks what happened to them.
 */
export async function setScene(
  pool: AnyPool,
  url: string,
  table: string,
): Promise<() => Promise<Found>> {
  const countBackends = await fillPool(pool)
  const checkTransaction = await openTransaction(pool, url, table)
  const checkQuery = await startQuery(pool)
  return async () => ({
    inFlightLost: await reasonAgainst(checkQuery),
    transactionLost: await reasonAgainst(checkTransaction),
    // This comes last, because it borrows all connections.
    backendsKept: await countBackends(),
  })
}

async function reasonAgainst(check: () => Promise<void>): Promise<string | undefined> {
  try {
    await within(LOOK_MILLIS, check())
    return undefined
  } catch (error) {
    return messageOf(error)
  }
}

/** Returns the pid of the server's process for a connection, which identifies the connection. */
async function fillPool(pool: AnyPool): Promise<() => Promise<number>> {
  const before = new Set(await backendsOf(pool))
  return async () => new Set((await backendsOf(pool)).filter((pid) => before.has(pid))).size
}

/** Borrows all connections at once. */
async function backendsOf(pool: AnyPool): Promise<number[]> {
  const clients = await settledInTime(Array.from({ length: CONNECTIONS }, () => pool.connect()))
  const pids = await settledInTime(
    clients.map(async (client, index) => {
      const tag = `backend ${index}`
      const { rows } = await client.query('select $1 as tag, pg_backend_pid() as pid', [tag])
      if (rows[0]?.['tag'] !== tag) throw new Error('Its connection gives the answers of others')
      return Number(rows[0]['pid'])
    }),
  )
  for (const client of clients) client.release()
  return pids
}

/** Returns the results of the promises that fulfil. The number of the others follows from theirs. */
async function settledInTime<T>(all: Promise<T>[]): Promise<T[]> {
  const settled = await Promise.allSettled(all.map((each) => within(LOOK_MILLIS, each)))
  return settled.flatMap((each) => (each.status === 'fulfilled' ? [each.value] : []))
}

async function openTransaction(
  pool: AnyPool,
  url: string,
  table: string,
): Promise<() => Promise<void>> {
  const client = await pool.connect()
  await client.query('begin')
  await client.query(`create table ${table} as select 'uncommitted' as text`)
  const before = await look(client)
  return async () => {
    const now = await look(client)
    expectSame('backend', before['pid'], now['pid'])
    expectSame('transaction', before['txid'], now['txid'])
    const { rows } = await client.query(`select text from ${table}`)
    expectSame('row', 'uncommitted', rows[0]?.['text'])
    await client.query('commit')
    client.release()
    await expectCommitted(url, table)
  }
}

async function look(client: Queryable): Promise<Record<string, unknown>> {
  const { rows } = await client.query('select pg_backend_pid() as pid, txid_current() as txid')
  return rows[0] ?? {}
}

function expectSame(what: string, before: unknown, now: unknown): void {
  if (now !== before) throw new Error(`Its ${what} was ${String(before)} and is ${String(now)}`)
}

/** Queries over a separate connection, because the pool is under test. */
async function expectCommitted(url: string, table: string): Promise<void> {
  const client = new Client({ connectionString: url })
  await client.connect()
  try {
    await client.query(`select text from ${table}`)
  } finally {
    await client.end()
  }
}

async function startQuery(pool: AnyPool): Promise<() => Promise<void>> {
  const tag = 'in flight'
  const answer = pool.query('select $1 as tag from pg_sleep($2)', [tag, IN_FLIGHT_SECONDS]).then(
    ({ rows }) => ({ tag: rows[0]?.['tag'] }),
    // It is checked later, when the children have exited.
    (error: unknown) => ({ error }),
  )
  while (!(await isSleeping(pool))) await sleep(5)
  return async () => {
    const outcome = await answer
    if ('error' in outcome) throw outcome.error
    expectSame('answer', tag, outcome.tag)
  }
}

async function isSleeping(pool: AnyPool): Promise<boolean> {
  const { rows } = await pool.query(
    `select pid from pg_stat_activity where wait_event = 'PgSleep' and datname = current_database()`,
  )
  return rows.length > 0
}
