import { expect, test } from 'vitest'
import { setTimeout as sleep } from 'node:timers/promises'
import { openPool } from './support/pools.ts'
import { share, sharingDriver } from './support/requests.ts'

/** Keeps the event loop busy. */
function block(millis: number): void {
  const end = performance.now() + millis
  while (performance.now() < end);
}

test('with real clocks, a request is slow if its answer came late, and not if it was read late', async () => {
  const driver = sharingDriver()
  const pool = openPool(driver, { max: 1, sealAfterMillis: 1_500 })
  const ask = async (key: string, wait: () => unknown): Promise<void> => {
    const { promise } = share(pool, { key })
    await sleep(1)
    await wait()
    // As from a socket: read when the loop polls next.
    setImmediate(() => driver.resource(1).answer())
    await promise
  }
  await pool.use(async () => undefined)
  for (let i = 0; i < 3; i++) await ask('warm up', () => undefined)
  await ask('server', () => sleep(2_500))
  await ask('loop', () => block(2_500))

  const isSealed = async (key: string): Promise<boolean> => {
    const first = share(pool, { key })
    const second = share(pool)
    const sealed = second.sentOn === undefined
    driver.resource(1).answer()
    await first.promise
    driver.resource(1).answer()
    await second.promise
    return sealed
  }
  expect(await isSealed('server')).toBe(true)
  expect(await isSealed('loop')).toBe(false)
  await pool.close()
})
