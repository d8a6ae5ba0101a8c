import { onTestFinished } from 'vitest'
import type { PgPool } from './pools.ts'

/** What the callers have seen so far. */
export interface Seen {
  right: number
  wrong: number
  readonly errors: (Error & { readonly code?: string })[]
}

/** Callers that ask one thing after another, each for an answer of its own, until they are stopped or the test ends. */
export function startLoad(pool: PgPool, callers = 12): { seen: Seen; stop: () => Promise<Seen> } {
  const seen: Seen = { right: 0, wrong: 0, errors: [] }
  const over = new AbortController()
  async function caller(number: number): Promise<void> {
    for (let turn = 0; !over.signal.aborted; turn++) {
      const tag = `${number}/${turn}`
      await pool.query<{ tag: string }>('SELECT $1 AS tag', [tag]).then(
        ({ rows }) => seen[rows[0]?.tag === tag ? 'right' : 'wrong']++,
        (error: Error) => seen.errors.push(error),
      )
    }
  }
  const done = Promise.all(Array.from({ length: callers }, (_, number) => caller(number)))
  const stop = async (): Promise<Seen> => {
    over.abort()
    await done
    return seen
  }
  onTestFinished(async () => {
    await stop()
  })
  return { seen, stop }
}
