import type { Driver } from '@forksafe/core'
import { conformance, type ConformanceOptions } from '@forksafe/testkit'
import { afterAll, expect, test } from 'vitest'

const DISCARD = 'a discard that ends the session'
const RESET = 'a reset that does nothing'
const VALIDATE = 'a validate that always returns true'

const findings = [
  [DISCARD, 'discard closes everything synchronously and silently', 'at once, but socket'],
  [DISCARD, 'discard, in a forked child, does not affect the parent’s connection', 'at once, but'],
  [DISCARD, 'a fork with idle resources, in a child that calls afterFork()', '.'],
  [RESET, 'reset removes it before the next holder in a pool', 'finds what was left'],
  [VALIDATE, 'validate asks the server', 'by itself'],
  [VALIDATE, 'validate refuses a resource whose connection was reset', 'accepts a dead resource'],
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
