import type { Driver } from '@forksafe/core'
import { createRequire } from 'node:module'
import type * as NodeTest from 'node:test'
import { conformance, type Conformance } from './conformance.ts'
import type { ConformanceOptions } from './options.ts'

/**
 * Registers a test for each check of the conformance suite, which proves on a real server and with real forks that a driver does
 * what a pool relies on. Uses vitest if that runs the file, else `node:test`.
 *
 * Await it at the top level of a test file, because it loads vitest.
 *
 * @throws {TypeError} (as a rejection) for an invalid driver, and for a wrong, missing or unknown option.
 */
export async function testDriver<R extends object, C, M extends object>(
  driver: Driver<R, C, M>,
  options: ConformanceOptions<R, C>,
): Promise<void> {
  const suite = conformance(driver, options)
  if (process.env['VITEST'] === undefined) withNode(suite)
  else await withVitest(suite)
}

/** Registers synchronously, so that it also works in a file that does not await. */
function withNode({ name, checks, timeoutMillis: timeout, close }: Conformance): void {
  const { after, describe, it } = createRequire(__filename)('node:test') as typeof NodeTest
  void describe(`driver ${name}`, () => {
    after(close)
    for (const { name, skipped, run } of checks) {
      void it(name, { timeout, ...(skipped !== undefined && { skip: skipped }) }, run)
    }
  })
}

async function withVitest({
  name,
  checks,
  timeoutMillis: timeout,
  close,
}: Conformance): Promise<void> {
  const { afterAll, describe, it } = await import('vitest')
  describe(`driver ${name}`, () => {
    afterAll(close)
    for (const { name, skipped, run } of checks) {
      it(name, { timeout }, async (context) => {
        if (skipped !== undefined) context.skip(skipped)
        await run()
      })
    }
  })
}
