import type { Driver } from '@forksafe/core'
import { conformance, type ConformanceOptions } from '@forksafe/testkit'
import { afterAll, expect, test } from 'vitest'

const DISCARD = 'a discard that ends'
const RESET = 'a reset that does nothing'
const VALIDATE = 'a validate that always says yes'

const findings = [
  [DISCARD, 'discard lets go at once, and says nothing', 'to let go, but socket'],
  [DISCARD, 'discard, in a forked child, leaves the parent its connection', 'let go'],
  [DISCARD, 'a fork with idle resources, in a child that is told by afterFork()', '.'],
  [RESET, 'reset hides it in a pool', 'finds what was left'],
  [VALIDATE, 'validate asks the server before it says yes', 'by itself'],
  [
    VALIDATE,
    'validate says no of a resource whose connection was reset',
    'says yes of a dead resource',
  ],
] as const

/**
 * Tests that the conformance suite finds the faults of broken copies of a driver. The testkit's own tests show that each of
 * its checks can fail. `end` closes a resource politely, which a discard must not do.
 */
export function testBrokenCopies<R extends object, C>(
  driver: Driver<R, C>,
  options: () => ConformanceOptions<R, C>,
  end: (resource: R) => void,
): void {
  const suites = {
    [DISCARD]: conformance({ ...driver, discard: end }, options()),
    [RESET]: conformance({ ...driver, reset: () => undefined }, options()),
    [VALIDATE]: conformance({ ...driver, validate: () => true }, options()),
  }
  afterAll(() => Promise.all(Object.values(suites).map(({ close }) => close())))

  test.each(findings)('%s is found by "%s"', async (copy, name, saying) => {
    const check = suites[copy].checks.find((check) => check.name === name)
    await expect(check?.run()).rejects.toThrow(saying)
  })
}
