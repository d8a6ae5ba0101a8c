import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import { startPostgres } from '@forksafe/scripts/postgres'
import { forkSupported } from '@forksafe/testkit'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { readLedger } from '../src/demo/ledger.ts'
import { tally } from '../src/demo/tally.ts'

const LIMIT_MILLIS = 90_000

let folder: string
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'forksafe-demo-'))
  // The server's user must be able to enter the folder.
  chmodSync(folder, 0o755)
})
afterEach(() => rmSync(folder, { recursive: true }))

/** The built program. `npm test` builds it first, as `npm run demo` does. */
function start(program: string, args: string[], nodeArgs: string[] = []): ChildProcess {
  const path = fileURLToPath(new URL(`../dist/demo/${program}`, import.meta.url))
  // The server's folder is created there.
  const env = { ...process.env, TMPDIR: folder }
  return spawn(process.execPath, [...nodeArgs, path, ...args], { env, stdio: 'pipe' })
}

async function finish(child: ChildProcess): Promise<{ end: unknown; out: string; err: string }> {
  if (child.stdout === null || child.stderr === null) throw new Error('Expected pipes')
  const end = once(child, 'close')
  const [out, err] = await Promise.all([text(child.stdout), text(child.stderr)])
  const [code, signal] = await end
  return { end: signal ?? code, out, err }
}

test.skipIf(!forkSupported().supported)(
  'across forks every forksafe query has its own answer, plain ones have not, and nothing is left behind',
  { timeout: LIMIT_MILLIS },
  async () => {
    const { end, out, err } = await finish(start('main.js', ['--json']))
    expect(err).toBe('')
    expect(end).toBe(0)
    const result = JSON.parse(out.trimEnd().split('\n').at(-1) ?? '') as {
      plain: { right: number; wrong: number; errors: number; unanswered: number }
    }
    const { right, wrong, errors, unanswered } = result.plain
    expect(result).toEqual({
      processes: 4,
      queriesPerProcess: 300,
      plain: { right, wrong, errors, unanswered },
      forksafe: { right: 1200, wrong: 0, errors: 0, unanswered: 0 },
      parentBackendsKept: true,
      parentTransactionKept: true,
    })
    expect(right + wrong + errors + unanswered).toBe(1200)
    expect(wrong + errors + unanswered).toBeGreaterThan(0)
    expect(readdirSync(folder)).toEqual([])
  },
)

test('an interrupted demo ends at once, and leaves nothing behind', async () => {
  const demo = start('main.js', [])
  const done = finish(demo)
  await new Promise<void>((resolve) => {
    demo.stdout?.on('data', (chunk: Buffer) => {
      if (chunk.includes('Working')) resolve()
    })
  })
  demo.kill('SIGINT')
  expect(await done).toMatchObject({ end: 'SIGINT', err: '' })
  expect(readdirSync(folder)).toEqual([])
})

test('without support for forks, one process does its work and reports why', async () => {
  await using server = await startPostgres({ tls: false })
  const ledger = join(folder, 'ledger')
  const elsewhere = `Object.defineProperty(process, 'arch', { value: 's390x' })`
  const run = start(
    'parent.js',
    ['forksafe', server.url, ledger],
    ['--import', `data:text/javascript,${encodeURIComponent(elsewhere)}`],
  )
  expect(await finish(run)).toMatchObject({ end: 0, err: '' })
  expect(tally(readLedger(ledger))).toMatchObject({
    unforked: 'it needs x64 or arm64, but this is s390x',
    processes: 1,
    right: 300,
    unanswered: 0,
    backendsKept: 6,
    transactionLost: undefined,
  })
})
