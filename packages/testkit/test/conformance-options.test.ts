import { expect, test } from 'vitest'
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
