import type { Clocks } from '../../src/tools/clock.ts'
import { ProcessIdentity } from '../../src/identity/identity.ts'
import type { BasePoolOptions } from '../../src/index.ts'
import { Pool } from '../../src/pool.ts'
import type { FakeDriver, FakeResource } from './fake-driver.ts'
import { VALIDATE_SOON } from './pools.ts'

/** A fake process that forks when the test says so. Shows the side of the child only. */
export class FakeProcess {
  forked = false
  readonly identity = new ProcessIdentity(() => ({
    name: 'page',
    changed: () => this.forked,
    settle: () => {
      this.forked = false
    },
  }))

  /** Forks: from now on the test runs in the child. No pool has noticed it yet. */
  fork(): void {
    this.forked = true
  }

  /** Does what `afterFork()` does. */
  hook(): void {
    this.identity.announce('fork')
  }

  pool(driver: FakeDriver, options: BasePoolOptions = {}, clocks?: Clocks): Pool<FakeResource> {
    return new Pool<FakeResource>(driver, { ...VALIDATE_SOON, ...options }, this.identity, clocks)
  }
}
