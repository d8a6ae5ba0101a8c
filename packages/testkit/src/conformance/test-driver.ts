import type { Driver } from '@forksafe/core'
import { createRequire } from 'node:module'
import type * as NodeTest from 'node:test'
import { conformance, type Conformance } from './conformance.ts'
import type { ConformanceOptions } from './options.ts'

/**
 * Proves on a real server, and with real forks, that a driver does what a pool relies on: registers a test for each thing
 * that is proved, with vitest where that runs the file, else with `node:test`.
 *
 * `await` it at the top of a test file: vitest is loaded meanwhile.
 *
 * @throws {TypeError} (as a rejection) for a driver that is none, and for a wrong, missing or unknown option.
 */
export async function testDriver<R extends object, C, M extends object>(
  driver: Driver<R, C, M>,
  options: ConformanceOptions<R, C>,
): Promise<void> {
  const suite = conformance(driver, options)
  if (process.env['VITEST'] === undefined) withNode(suite)
  else await withVitest(suite)
}

/** In the same turn: a file that does not wait is run all the same. */
function withNode({ name, checks, timeoutMillis: timeout, close }: Conformance): void {
  const { after, describe, it } = createRequire(import.meta.url)('node:test') as typeof NodeTest
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
