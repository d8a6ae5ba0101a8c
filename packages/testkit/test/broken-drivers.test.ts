import { afterAll, expect, onTestFinished, test, vi } from 'vitest'
import { conformance } from '../src/index.ts'
import { brokenDiscards } from './broken/discards.ts'
import { brokenHooks, left } from './broken/hooks.ts'
import { lineDriver, lineOptions } from './support/line-driver.ts'
import { startLineServer } from './support/line-server.ts'

// Each check of the suite is seen to fail, on a driver that breaks the contract in one way; and no other fails.

// The whole suite, each time.
vi.setConfig({ testTimeout: 180_000 })

const server = await startLineServer()
afterAll(() => server.stop())

/** Some of what fails is seen by waiting for it in vain. */
const IN_VAIN_MILLIS = 2_000
const broken = Object.entries({ ...brokenHooks, ...brokenDiscards })

test.each(broken)(
  'the suite finds that %s',
  async (_, { driver, options, fail, saying, forked }) => {
    const whole = { ...lineOptions(server.port), ...options }
    const brokenDriver = { ...lineDriver, ...driver }
    const patient = conformance(brokenDriver, whole)
    const hasty = conformance(brokenDriver, { ...whole, timeoutMillis: IN_VAIN_MILLIS })
    onTestFinished(async () => {
      await Promise.all([patient.close(), hasty.close()])
      for (const listener of left.splice(0)) listener.close()
    })
    const found: Record<string, string> = {}
    for (const [index, { name, run }] of patient.checks.entries()) {
      if (!forked && name.includes('fork')) continue
      const check = fail.test(name) ? hasty.checks[index]?.run : run
      await check?.().catch((error: unknown) => (found[name] = String(error)))
    }
    expect(Object.keys(found)).toEqual(
      patient.checks.flatMap(({ name }) => (fail.test(name) ? [name] : [])),
    )
    for (const said of Object.values(found)) expect(said).toMatch(saying)
  },
)

test('there is a broken driver for every check', () => {
  const names = conformance(lineDriver, lineOptions(server.port)).checks.map(({ name }) => name)
  const seen = broken.map(([, { fail }]) => fail)
  expect(names.filter((name) => !seen.some((fail) => fail.test(name)))).toEqual([])
})
