// Builds a startup snapshot with a warm pool, and measures how much sooner a program that starts from it answers. Node 22 or later.
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { startPostgres } from '@forksafe/scripts/postgres'
import { buildSnapshot, bundleApp } from './build.ts'
import { medianMillis, start, startInTurn } from './start.ts'

const TIMES = 15
const AT_ONCE = 8

const folder = mkdtempSync(join(tmpdir(), 'forksafe-snapshot-'))
try {
  await using server = await startPostgres({ tls: false })
  const env = { ...process.env, DATABASE_URL: server.url, NODE_NO_WARNINGS: '1' }
  const script = await bundleApp(folder)
  const blob = await buildSnapshot(script, env)
  const warm = ['--snapshot-blob', blob, 'app']

  const cold = await startInTurn(TIMES, [script], env)
  const fromSnapshot = await startInTurn(TIMES, warm, env)
  const atOnce = await Promise.all(Array.from({ length: AT_ONCE }, () => start(warm, env)))
  const sessions = new Set(atOnce.map(({ session }) => session))

  console.log(`Node ${process.version}, ${process.platform} ${process.arch}: from the start of the
process to its end, with one answer of PostgreSQL in between (median of ${TIMES}).
  cold            ${medianMillis(cold).toFixed(0)} ms
  from a snapshot ${medianMillis(fromSnapshot).toFixed(0)} ms
${AT_ONCE} processes that started at once had ${sessions.size} sessions of their own.`)
} finally {
  rmSync(folder, { recursive: true })
}
