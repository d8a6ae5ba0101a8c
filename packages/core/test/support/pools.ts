import {
  type BasePoolOptions,
  createForkSafePool,
  type DestroyReason,
  type ForkSafePool,
  type Lease,
} from '../../src/index.ts'
import type { FakeDriver, FakeResource } from './fake-driver.ts'

export type FakePool = ForkSafePool<FakeResource>

/** Most tests want a resource to be validated after a second; `undefined` is the default. */
export const VALIDATE_SOON = { validateAfterIdleMillis: 500 } satisfies BasePoolOptions

/** A pool of what the fake server opens. */
export function openPool(driver: FakeDriver, options: BasePoolOptions = {}): FakePool {
  return createForkSafePool<FakeResource, unknown, object>(driver, {
    connection: 'db',
    ...VALIDATE_SOON,
    ...options,
  })
}

/** So many leases of a pool, in the order of their resources. */
export function acquireMany(pool: FakePool, count: number): Promise<Lease<FakeResource>[]> {
  return Promise.all(Array.from({ length: count }, () => pool.acquire()))
}

/** Opens so many resources, and leaves them idle; the last one opened came back last. */
export async function openIdle(pool: FakePool, count: number): Promise<void> {
  for (const lease of await acquireMany(pool, count)) lease.release()
}

/** Why the resources of a pool end, from now on. */
export function endsOf(pool: FakePool): DestroyReason[] {
  const reasons: DestroyReason[] = []
  pool.on('destroy', ({ reason }) => reasons.push(reason))
  return reasons
}

/** The resource of a lease that should have come. */
export async function idOf(lease: Promise<Lease<FakeResource>>): Promise<number> {
  const { resource } = await lease
  return resource.id
}
