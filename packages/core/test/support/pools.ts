import {
  type BasePoolOptions,
  createForkSafePool,
  type DestroyReason,
  type ForkSafePool,
  type Lease,
} from '../../src/index.ts'
import type { FakeDriver, FakeResource } from './fake-driver.ts'

export type FakePool = ForkSafePool<FakeResource>

/** The default options of tests. Most need a validation after one idle second. `undefined` means the pool's default. */
export const VALIDATE_SOON = { validateAfterIdleMillis: 500 } satisfies BasePoolOptions

/** Creates a pool with a fake driver. */
export function openPool(driver: FakeDriver, options: BasePoolOptions = {}): FakePool {
  return createForkSafePool<FakeResource, unknown, object>(driver, {
    connection: 'db',
    ...VALIDATE_SOON,
    ...options,
  })
}

/** Acquires several leases of a pool, in the order of their resources. */
export function acquireMany(pool: FakePool, count: number): Promise<Lease<FakeResource>[]> {
  return Promise.all(Array.from({ length: count }, () => pool.acquire()))
}

/** Opens several resources and leaves them idle. The one opened last is released last. */
export async function openIdle(pool: FakePool, count: number): Promise<void> {
  for (const lease of await acquireMany(pool, count)) lease.release()
}

/** Records the reasons for which resources of a pool end from now on. */
export function endsOf(pool: FakePool): DestroyReason[] {
  const reasons: DestroyReason[] = []
  pool.on('destroy', ({ reason }) => reasons.push(reason))
  return reasons
}

/** Returns the resource of a lease that must have been acquired. */
export async function idOf(lease: Promise<Lease<FakeResource>>): Promise<number> {
  const { resource } = await lease
  return resource.id
}
