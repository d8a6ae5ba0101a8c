import { afterAll, expect, onTestFinished, test, vi } from 'vitest'
import { conformance } from '../../src/index.ts'
import { lineDriver, lineOptions } from '../support/line-driver.ts'
import { startLineServer } from '../support/line-server.ts'
import type { Broken } from './broken.ts'
import { left } from './hooks.ts'

// Each check must fail on a driver that breaks the contract in one way, and no similar check may.

/** The first timeout of checks that must fail: some do so only by a timeout. */
const SHORT_TIMEOUT_MILLIS = 2_000

/** Returns what similar checks have in common: the hook, or the state in which the process forks. */
function concernOf(name: string): string {
  return /^a fork [^,]*|^\S*/.exec(name)?.[0] ?? ''
}

/** Tests that the suite finds the fault of each driver. */
export async function testBroken(drivers: Readonly<Record<string, Broken>>): Promise<void> {
  vi.setConfig({ testTimeout: 120_000 })
  const server = await startLineServer()
  afterAll(() => server.stop())

  const named = Object.entries(drivers)
  test.each(named)(
    'the suite finds that %s',
    async (_, { driver, options, fail, saying, forked }) => {
      const whole = { ...lineOptions(server.port), ...options }
      const brokenDriver = { ...lineDriver, ...driver }
      const patient = conformance(brokenDriver, whole)
      const hasty = conformance(brokenDriver, { ...whole, timeoutMillis: SHORT_TIMEOUT_MILLIS })
      onTestFinished(async () => {
        await Promise.all([patient.close(), hasty.close()])
        for (const listener of left.splice(0)) listener.close()
      })
      const found: Record<string, string> = {}
      const failing = patient.checks.filter(({ name }) => fail.test(name))
      const concerns = new Set(failing.map(({ name }) => concernOf(name)))
      for (const [index, { name, run }] of patient.checks.entries()) {
        if (!concerns.has(concernOf(name)) || (!forked && name.includes('fork'))) continue
        const hastily = hasty.checks[index]?.run ?? run
        // On a busy machine, the short timeout may end a check before it finds the fault.
        for (const attempt of fail.test(name) ? [hastily, run] : [run]) {
          delete found[name]
          await attempt().catch((error: unknown) => (found[name] = String(error)))
          if (saying.test(found[name] ?? '')) break
        }
      }
      expect(failing).not.toEqual([])
      expect(Object.keys(found)).toEqual(failing.map(({ name }) => name))
      for (const said of Object.values(found)) expect(said).toMatch(saying)
    },
  )
}
