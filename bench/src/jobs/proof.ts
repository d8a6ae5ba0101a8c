import { setImmediate } from 'node:timers/promises'
import type { Resource, Verbs } from '../peers/peer.ts'
import { expectEqual } from './expect.ts'

/**
 * Checks, before anything is timed, that the pool serves all callers, lends each resource to one holder at a time, and never
 * exceeds its limit. Returns the number of uses.
 */
export async function proveLending<H>(
  pool: Verbs<H>,
  resources: number,
  callers: number,
): Promise<number> {
  const holding = new Set<Resource>()
  let most = 0
  let uses = 0
  const call = async (): Promise<void> => {
    const held = await pool.acquire()
    const resource = pool.resourceOf(held)
    if (holding.has(resource)) throw new Error('One resource was lent to two holders.')
    holding.add(resource)
    most = Math.max(most, holding.size)
    resource.uses++
    uses++
    await setImmediate()
    holding.delete(resource)
    pool.release(held)
  }
  await Promise.all(Array.from({ length: callers }, call))
  expectEqual(most, resources, 'resources lent at once')
  expectEqual(uses, callers, 'callers served')
  return uses
}
