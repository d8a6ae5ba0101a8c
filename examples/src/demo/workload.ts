import { setTimeout as sleep } from 'node:timers/promises'
import type { Entry, Ledger } from './ledger.ts'
import { CALLERS, LIMIT_MILLIS, MAX_PAUSE_MILLIS, QUERIES_PER_PROCESS } from './plan.ts'
import type { Queryable } from './pools.ts'
import { LateError, messageOf, within } from './within.ts'

/** Runs the queries of one process over its pool. */
export async function runQueries(pool: Queryable, process: number, ledger: Ledger): Promise<void> {
  const deadline = performance.now() + LIMIT_MILLIS
  const timeIsUp = () => performance.now() > deadline
  let asked = 0

  async function call(): Promise<void> {
    while (asked < QUERIES_PER_PROCESS && !timeIsUp()) {
      const entry = await ask(pool, process, asked++)
      // An answer that is too late counts as unanswered.
      if (!timeIsUp()) ledger.write(entry)
      await sleep(Math.random() * MAX_PAUSE_MILLIS)
    }
  }

  const callers = Promise.all(Array.from({ length: CALLERS }, call))
  try {
    await within(LIMIT_MILLIS, callers)
  } catch (error) {
    // Queries without an answer are not in the ledger.
    if (!(error instanceof LateError)) throw error
  }
}

/** Selects a tag that is unique to the query, so that the answer shows whose it is. */
async function ask(pool: Queryable, process: number, number: number): Promise<Entry> {
  const tag = `${process}/${number}`
  try {
    const { rows } = await pool.query('select $1::text as tag', [tag])
    const answer = rows[0]?.['tag']
    if (answer === tag) return { what: 'right', process }
    return { what: 'wrong', process, owner: ownerOf(answer) }
  } catch (error) {
    return { what: 'error', process, message: messageOf(error) }
  }
}

function ownerOf(tag: unknown): number | undefined {
  const owner = typeof tag === 'string' ? Number.parseInt(tag, 10) : Number.NaN
  return Number.isNaN(owner) ? undefined : owner
}
