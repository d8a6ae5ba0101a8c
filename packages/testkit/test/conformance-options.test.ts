import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { conformance, testDriver } from '../src/index.ts'
import { lineDriver, lineOptions } from './support/line-driver.ts'

// These errors are thrown before a server is used.

const options = lineOptions(1)

function without(hooks: string[]): typeof lineDriver {
  const kept = Object.entries(lineDriver).filter(([hook]) => !hooks.includes(hook))
  return Object.fromEntries(kept) as unknown as typeof lineDriver
}

test.each([
  [{ serverr: 1 }, 'there is no option `serverr`. There are name, server, connection, echo, '],
  [{ server: 5432 }, 'or { path }, got 5432 (number).'],
  [{ echo: undefined }, 'expected `echo` to be a function of a resource and a text, got undefined'],
  [
    { failures: { x: { kind: 'bad' } } },
    'the kind one of transient, fatal, full, single, got { x:',
  ],
  [{ without: { speed: 'slow' } }, 'handshake, goodbye, fork, got { speed: "slow" (string) }'],
  [{ without: { goodbye: ' ' } }, 'an object with a reason, in words, for each missing capability'],
  [
    { without: { reset: 'none' } },
    'no reason in `without.reset`, because the driver has this hook',
  ],
  [{ timeoutMillis: 0 }, 'expected `timeoutMillis` to be a number above 0, got 0 (number).'],
])('options with %o throw, and the error names the mistake', async (change, message) => {
  const wrong = { ...options, ...change } as typeof options
  expect(() => conformance(lineDriver, wrong)).toThrow('Conformance of driver "line": ')
  await expect(testDriver(lineDriver, wrong)).rejects.toThrow(message)
})

test('an invalid driver is refused, and the error names the missing hooks', () => {
  expect(() => conformance(without(['discard']), options)).toThrow(
    'Expected a driver with `name`, `create`, `destroy` and `discard`, got one without discard.',
  )
})

test('a missing capability fails its checks, or skips them if there is a reason', async () => {
  const bare = without(['validate', 'reset', 'watch', 'classify', 'ref', 'unref'])
  for (const [capability, checks] of [
    ['validate', 7],
    ['reset', 5],
    ['watch', 5],
    ['classify', 3],
    ['ref', 1],
  ] as const) {
    const reason = `it can do without ${capability}`
    const suite = conformance(bare, { ...options, without: { [capability]: reason } })
    expect(suite.checks.filter(({ skipped }) => skipped === reason)).toHaveLength(checks)
    const lacking = conformance(bare, options).checks.filter(
      (_, index) => suite.checks[index]?.skipped === reason,
    )
    for (const { run, skipped } of lacking) {
      expect(skipped).toBeUndefined()
      await expect(run()).rejects.toThrow(`give a reason: \`without: { ${capability}: '…' }\``)
    }
  }
})

test('a driver that has `reset` is told to give a `session`, and not a reason that it may not give', async () => {
  const { session: _, ...noSession } = options
  const failing = conformance(lineDriver, noSession).checks.filter(({ name }) =>
    name.startsWith('reset removes'),
  )
  expect(failing).toHaveLength(2)
  for (const { run } of failing) {
    const error = await run().then(String, String)
    expect(error).toMatch(/Give the option `session: \{ leave, left \}`\.$/)
    expect(error).not.toContain('without')
  }
})

test.each(['127.0.0.1', 'all addresses', 'a Unix socket'])(
  'a server that listens on %s in this process fails each check, and the error says so',
  async (host) => {
    const folder = mkdtempSync(join(tmpdir(), 'forksafe-'))
    const path = join(folder, 'socket')
    const server = createServer()
    if (host === 'a Unix socket') server.listen(path)
    else server.listen(0, host === '127.0.0.1' ? host : undefined)
    await once(server, 'listening')
    onTestFinished(() => {
      server.close()
      rmSync(folder, { recursive: true })
    })
    const address = server.address()
    const target = typeof address === 'string' ? { path } : { port: address?.port ?? 0 }
    await using suite = conformance(lineDriver, { ...options, server: target })
    for (const { name, run } of suite.checks) {
      await expect(run(), name).rejects.toThrow(
        /server` to run in a process of its own, .* this process listens there\.$/,
      )
    }
  },
)
