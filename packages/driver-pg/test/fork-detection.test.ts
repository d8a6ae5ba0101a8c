import type * as Core from '@forksafe/core'
import { inChild } from '@forksafe/testkit'
import Module from 'node:module'
import { describe, expect, onTestFinished, test, vi } from 'vitest'
import { countHeld, expectSilentChild, openWatchedPool, socketNames } from './support/forked.ts'
import { backendPid, type PgPool, startProxy } from './support/pools.ts'

// What looks for a fork, how often, and what it sees and misses.

async function openProxy() {
  const { proxy, stop } = await startProxy('plain')
  onTestFinished(stop)
  return proxy
}

describe('with `forkDetection`', () => {
  /** What a pool makes of an idle connection: lends it as its own, or has let go of it. Nothing is said on it. */
  async function lendsInherited(pool: PgPool, names: string[]): Promise<boolean> {
    const { generation } = pool.stats
    using lease = await pool.acquire()
    const inherited = lease.generation === generation
    expect(countHeld(names)).toBe(inherited ? names.length : 0)
    return inherited
  }

  test.each([
    { forkDetection: 'always', child: false, grandchild: false },
    { forkDetection: 'once', child: false, grandchild: true },
    { forkDetection: 'hooks', child: true, grandchild: true },
  ] as const)(
    '$forkDetection a connection is taken for one’s own without a hook: in a child $child, in its child $grandchild',
    async ({ forkDetection, child, grandchild }) => {
      const proxy = await openProxy()
      const watched = openWatchedPool(proxy, 'plain', { max: 1, forkDetection })
      const { pool } = watched
      const session = await backendPid(pool)
      const names = socketNames(watched)
      const mark = await proxy.mark()
      const seen = await inChild(
        async () => {
          const inChildItself = await lendsInherited(pool, names)
          const own = socketNames(watched)
          const below = await inChild(() => lendsInherited(pool, own), { afterFork: false })
          return { child: inChildItself, grandchild: below }
        },
        { afterFork: false },
      )
      expect(seen).toEqual({ child, grandchild })
      expect(await proxy.records({ since: mark, openedBefore: mark })).toEqual([])
      expect(await backendPid(pool)).toBe(session)
    },
  )

  test.each(['always', 'once', 'hooks'] as const)(
    '%s a child and its child let go at the hook',
    async (forkDetection) => {
      const proxy = await openProxy()
      const watched = openWatchedPool(proxy, 'plain', { max: 1, forkDetection })
      const { pool } = watched
      const session = await backendPid(pool)
      const look = () =>
        inChild(async () => ({
          session: await backendPid(pool),
          generation: pool.stats.generation,
        }))
      const seen = await expectSilentChild(watched, 'hooked', { look, opens: 2 })
      expect(seen.found).toMatchObject({ generation: 3 })
      expect(new Set([session, seen.session, seen.found.session]).size).toBe(3)
    },
  )
})

interface Koffi {
  load(path: null): { func(prototype: string): unknown }
  view: unknown
}
type Loader = (name: string, ...rest: unknown[]) => unknown
const loader = Module as unknown as { _load: Loader }

/** koffi as a machine has it: installed, on a kernel that refuses the page, or not installed. */
const machines: Record<'page' | 'pid' | 'ppid', (load: () => unknown) => unknown> = {
  page: (load) => load(),
  pid(load) {
    const real = load() as Koffi
    const func = (prototype: string) =>
      prototype.includes('madvise') ? () => -1 : real.load(null).func(prototype)
    return { view: real.view, load: () => ({ func }) }
  },
  ppid() {
    throw new Error('koffi is not installed.')
  },
}

/** Another copy of core in this process, on such a machine, with a pool that is watched. */
async function openElsewhere(identity: keyof typeof machines) {
  vi.resetModules()
  const core: typeof Core = await import('@forksafe/core')
  const proxy = await openProxy()
  const load = loader._load
  loader._load = (name, ...rest) =>
    name === 'koffi' ? machines[identity](() => load(name, ...rest)) : load(name, ...rest)
  try {
    return openWatchedPool(proxy, 'plain', { max: 1 }, { core })
  } finally {
    loader._load = load
  }
}

describe.each(['page', 'pid', 'ppid'] as const)('where the %s tells', (identity) => {
  test('`stats` says so, and a fork is seen at the next use, and in a child of the child', async () => {
    const watched = await openElsewhere(identity)
    const { pool } = watched
    expect(pool.stats.identity).toBe(identity)
    const session = await backendPid(pool)
    const look = () => inChild(() => backendPid(pool), { afterFork: false })
    const seen = await expectSilentChild(watched, 'unhooked', { look, opens: 2 })
    expect(new Set([session, seen.session, seen.found]).size).toBe(3)
    expect(await backendPid(pool)).toBe(session)
  })
})

describe('two copies of core in one process', () => {
  test('both hear the hook of either', async () => {
    const pools = [await openElsewhere('page'), await openElsewhere('ppid')]
    for (const watched of pools) {
      await backendPid(watched.pool)
    }
    const names = pools.map(socketNames)
    // The testkit calls `afterFork()` of a third copy.
    const held = await inChild(() => names.map(countHeld))
    expect(held).toEqual([0, 0])
    expect(names.map(countHeld)).toEqual([1, 1])
  })

  test('are both told when a use of one finds out', async () => {
    const pools = [await openElsewhere('page'), await openElsewhere('ppid')]
    const [first, second] = pools as [(typeof pools)[0], (typeof pools)[0]]
    for (const { pool } of pools) await backendPid(pool)
    const names = pools.map(socketNames)
    const held = await inChild(
      async () => {
        using lease = await first.pool.acquire()
        return {
          held: names.map(countHeld),
          generations: [lease.generation, second.pool.stats.generation],
        }
      },
      { afterFork: false },
    )
    expect(held).toEqual({ held: [0, 0], generations: [2, 2] })
  })
})
