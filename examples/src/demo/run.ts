import { spawn } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { PostgresServer } from '@forksafe/scripts/postgres'
import { type Entry, readLedger } from './ledger.ts'
import { LIMIT_MILLIS } from './plan.ts'
import type { Kind } from './pools.ts'
import { type Tally, tally } from './tally.ts'

/**
 * A child of fork(2) has none of V8's helper threads and must never wait for one. So V8 does all work in the main thread
 * (`--single-threaded`), and there is only one helper thread (with more of them, the child may inherit a lock between them in
 * a locked state).
 */
const FORKABLE = ['--v8-pool-size=1', '--single-threaded']

/** The time limit of a run: setup, work and checks. A parent that hangs must not hang the demo. */
const RUN_LIMIT_MILLIS = LIMIT_MILLIS + 20_000

/** Runs the work over one kind of pool, in a separate process, so that its damage is contained. */
export async function run(kind: Kind, server: PostgresServer, signal: AbortSignal): Promise<Tally> {
  if (server.folder === undefined) throw new Error('Expected a server of our own')
  // It is removed together with the server, however this process ends.
  const ledger = join(server.folder, `${kind}.ledger`)
  writeFileSync(ledger, '')
  const end = await parent([kind, server.url, ledger], signal)
  signal.throwIfAborted()
  return tally([...readLedger(ledger), ...end])
}

async function parent(args: readonly string[], signal: AbortSignal): Promise<Entry[]> {
  const program = fileURLToPath(new URL('./parent.js', import.meta.url))
  const child = spawn(process.execPath, [...FORKABLE, program, ...args], {
    // Through the channel, it notices when this process has exited.
    stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
    signal,
    timeout: RUN_LIMIT_MILLIS,
    killSignal: 'SIGKILL',
  })
  let complaints = ''
  child.stderr?.setEncoding('utf8').on('data', (text: string) => (complaints += text))
  return new Promise((resolve) => {
    const crash = (how: string) =>
      resolve([{ what: 'crash', process: 0, message: `${how} ${complaints}`.trim() }])
    child.once('error', (error) => crash(error.message))
    child.once('close', (code, signal) => {
      if (code === 0) resolve([])
      else crash(signal ?? `exit code ${code}`)
    })
  })
}
