import { startPostgres } from '@forksafe/scripts/postgres'
import { TITLES } from './pools.ts'
import { run } from './run.ts'
import type { Tally } from './tally.ts'

export interface Comparison {
  readonly postgresVersion: string
  readonly plain: Tally
  readonly forksafe: Tally
}

/** Runs the same work over both pools, on a private PostgreSQL that is removed afterwards. */
export async function compare(
  signal: AbortSignal,
  say: (step: string) => void,
): Promise<Comparison> {
  say('Starting PostgreSQL …')
  await using server = await startPostgres({ source: 'embedded', tls: false })
  signal.throwIfAborted()
  say(`Working over ${TITLES.plain} …`)
  const plain = await run('plain', server, signal)
  say(`Working over ${TITLES.forksafe} …`)
  const forksafe = await run('forksafe', server, signal)
  return { postgresVersion: server.version, plain, forksafe }
}
