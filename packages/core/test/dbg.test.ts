import { test } from 'vitest'
import { FakeDriver } from './support/fake-driver.ts'
import { FakeProcess } from './support/process.ts'
import { follow, pass, settled, useFakeTime } from './support/time.ts'
useFakeTime()
test('dbg', async () => {
      const p = new FakeProcess()
      const driver = new FakeDriver({ hooks: ['watch', 'validate', 'reset', 'ref', 'unref'] })
      const pool = p.pool(driver, { max: 2 })
      follow(pool.acquire().then((lease) => lease.release()))
      await settled()
      await pass(1_000)
      let changed = false
      driver.onCall = (called) => {
        console.log(called, changed)
        if (called !== 'create' || changed) return
        changed = true
        p.hook()
        console.log(driver.signals.map((s) => s.aborted))
      }
      const f = follow(
        pool.acquire().then(async (lease) => {
          const other = await pool.acquire()
          lease.release()
          other.destroy()
        }),
      )
      await settled()
      console.log(driver.signals.map((s) => s.aborted), driver.resources, f, pool.stats)
})
