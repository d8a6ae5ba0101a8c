// This helper calls `describe`, and a test that only reports why there are none.
/* oxlint-disable vitest/no-conditional-tests, vitest/valid-describe-callback, vitest/expect-expect */
import { describe, test } from 'vitest'

const [major = 0, minor = 0] = process.versions.node.split('.').map(Number)

/** Runs the tests of a library on the versions of Node that it supports. On older ones, skips them with the reason. */
export function describeSince(
  [neededMajor, neededMinor]: [major: number, minor: number],
  library: string,
  tests: () => Promise<void>,
): void {
  const supported = major > neededMajor || (major === neededMajor && minor >= neededMinor)
  if (supported) describe(`${library} takes the pool`, tests)
  else {
    const needs = `needs Node ${neededMajor}.${neededMinor}`
    test(`${library} ${needs}`, ({ skip }) => skip(needs))
  }
}
