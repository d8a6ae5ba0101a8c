import { fork } from 'node:child_process'
import { once } from 'node:events'
import { Client, type ClientConfig } from 'pg'
import { describe, expect, onTestFinished, test } from 'vitest'
import type { FleetReport, FleetSettings } from './programs/fleet.ts'
import { needPgBouncer, startBouncer } from './support/bouncers.ts'
import { useOwnServer } from './support/own-server.ts'
import { usePrograms } from './support/remote.ts'

const ROOM = 5
const PROGRAMS = 4
const CALLERS = 10
const TURNS = 10

const programs = usePrograms()
const own = useOwnServer({
  tls: false,
  roles: { app: 'secret' },
  // One place is the watcher's.
  settings: { max_connections: String(ROOM + 3 + 1), superuser_reserved_connections: '3' },
})

/** Starts one program of the fleet, and gives what it tells. */
async function runProgram(settings: FleetSettings): Promise<FleetReport> {
  const child = fork(programs().path('fleet'), [JSON.stringify(settings)], { execArgv: [] })
  onTestFinished(() => void child.kill('SIGKILL'))
  let report: FleetReport | undefined
  child.once('message', (told) => (report = told as FleetReport))
  expect(await once(child, 'exit')).toEqual([0, null])
  if (report === undefined) throw new Error('A program of the fleet ended without a word.')
  return report
}

/** Runs all of them at once: each wants as much as the server has. */
async function runFleet(connection: ClientConfig): Promise<FleetReport[]> {
  const options = { max: ROOM, idleTimeoutMillis: 100, backoff: { maxMillis: 200 } }
  const settings = { connection, options, callers: CALLERS, turns: TURNS }
  return Promise.all(Array.from({ length: PROGRAMS }, () => runProgram(settings)))
}

/** The most sessions that the role has had at once, looked at until it is asked. */
async function watchSessions(): Promise<() => Promise<number>> {
  const client = new Client(own().connection)
  await client.connect()
  const text = "SELECT count(*)::int AS sessions FROM pg_stat_activity WHERE usename = 'app'"
  const over = new AbortController()
  let most = 0
  async function watch(): Promise<void> {
    while (!over.signal.aborted) {
      const { rows } = await client.query<{ sessions: number }>(text)
      most = Math.max(most, rows[0]?.sessions ?? 0)
      await new Promise((resolve) => setTimeout(resolve, 10))
    }
    await client.end()
  }
  const watching = watch()
  const stop = async (): Promise<number> => {
    over.abort()
    await watching
    return most
  }
  onTestFinished(async () => {
    await stop()
  })
  return stop
}

const everybodyServed = { right: CALLERS * TURNS, errors: [] }

test('programs that together want more than the server has are all served', async () => {
  const mostSessions = await watchSessions()
  const reports = await runFleet({ ...own().connection, user: 'app', password: 'secret' })
  expect(reports).toMatchObject(Array.from({ length: PROGRAMS }, () => everybodyServed))
  expect(reports.reduce((sum, { full }) => sum + full, 0)).toBeGreaterThan(0)
  expect(await mostSessions()).toBe(ROOM)
})

describe('with PgBouncer between, that has two sessions for all of them,', () => {
  needPgBouncer()

  test.each(['session', 'transaction'] as const)('they are all served in %s mode', async (mode) => {
    const settings = { default_pool_size: '2' }
    const { through } = await startBouncer(own(), { mode, settings, roles: { app: 'secret' } })
    const mostSessions = await watchSessions()
    const reports = await runFleet({ ...through, user: 'app', password: 'secret' })
    // Whoever has a connection to PgBouncer waits there, and none is refused.
    const served = { ...everybodyServed, full: 0 }
    expect(reports).toEqual(Array.from({ length: PROGRAMS }, () => served))
    expect(await mostSessions()).toBe(2)
  })
})
