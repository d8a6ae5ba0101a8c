import { proves } from '@forksafe/scripts/proof'
import { fork, type RecordingProxy } from '@forksafe/testkit'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { fromClient, type Notice, openWatchedPool, type WatchedPool } from './support/forked.ts'
import { backendPid, startProxy } from './support/pools.ts'
import { blockUntilEnded } from '@forksafe/scripts/forked'

// Timers are copied with the memory. None of the parent's does anything in a child, and in the parent each goes on.

type Options = NonNullable<Parameters<typeof openWatchedPool>[2]>

interface Ticking {
  readonly name: string
  readonly options: Options
  /** Has the timer run; it ends after `TIMER_MILLIS`, or a moment before. */
  readonly start: (watched: WatchedPool) => Promise<void>
}

/** Long enough for a fork to come before, on a busy machine too. */
const TIMER_MILLIS = 250

const timers: Ticking[] = [
  {
    name: 'a keepalive',
    options: { keepaliveMillis: TIMER_MILLIS },
    start: async ({ pool }) => void (await backendPid(pool)),
  },
  {
    name: 'the end of an idle time',
    options: { idleTimeoutMillis: TIMER_MILLIS },
    start: async ({ pool }) => void (await backendPid(pool)),
  },
  {
    name: 'the deadline of a wait',
    options: { max: 1 },
    start: async ({ pool }) => {
      await pool.acquire()
      pool.acquire({ timeoutMillis: TIMER_MILLIS }).catch(() => undefined)
    },
  },
  {
    name: 'the pause after a failed create',
    options: { backoff: { minMillis: TIMER_MILLIS, maxMillis: TIMER_MILLIS } },
    start: async ({ pool, proxy }) => {
      await proxy.refuse()
      // The pause has a random length, at most this.
      vi.spyOn(Math, 'random').mockReturnValue(1)
      const failed = new Promise((resolve) => pool.once('createError', resolve))
      pool.acquire().catch(() => undefined)
      await failed
    },
  },
  {
    name: 'the limit of a create',
    options: { createTimeoutMillis: TIMER_MILLIS },
    start: async ({ pool, proxy }) => {
      await proxy.hold()
      pool.acquire().catch(() => undefined)
    },
  },
  {
    name: 'the limit of a validation',
    options: { validateTimeoutMillis: TIMER_MILLIS, validateAfterIdleMillis: 0 },
    start: async ({ pool, proxy }) => {
      await backendPid(pool)
      await proxy.hold()
      pool.acquire().catch(() => undefined)
    },
  },
  {
    name: 'the limit of a destroy',
    options: { destroyTimeoutMillis: TIMER_MILLIS },
    start: async ({ pool, proxy }) => {
      const lease = await pool.acquire()
      await proxy.hold()
      lease.destroy()
    },
  },
  {
    name: 'the deadline of a close',
    options: {},
    start: async ({ pool }) => {
      await pool.acquire()
      void pool.close({ deadlineMillis: TIMER_MILLIS })
    },
  },
]

/** Which timers of core have fired, by the process that set them. */
interface Fired {
  inherited: number
  own: number
}

/** From now on core's timers are known. Call `inherit` first thing in a child. */
function watchTimers(): { fired: Fired; inherit: () => void } {
  const fired: Fired = { inherited: 0, own: 0 }
  let process = 'parent'
  const set = globalThis.setTimeout
  vi.spyOn(globalThis, 'setTimeout').mockImplementation((run: () => void, millis?: number) => {
    const setIn = process
    const ofCore = new Error('Set').stack?.includes('/core/src/') === true
    return set(() => {
      if (ofCore) fired[setIn === process ? 'own' : 'inherited']++
      run()
    }, millis)
  })
  return { fired, inherit: () => (process = 'child') }
}

describe.each(timers)('$name', ({ options, start }) => {
  let proxy: RecordingProxy
  beforeEach(async () => {
    const started = await startProxy('plain')
    proxy = started.proxy
    return started.stop
  })
  afterEach(() => {
    vi.restoreAllMocks()
  })

  describe.each<Notice>(['hooked', 'unhooked'])('in a child that is %s', (notice) => {
    const cell = proves({ parent: ['timers'], [notice]: ['timers'] })

    test('ends, and goes on in the parent', cell, async () => {
      const { fired, inherit } = watchTimers()
      const watched = openWatchedPool(proxy, 'plain', options)
      const told: unknown[] = []
      watched.pool.on('processChange', ({ reason }) => told.push(reason))
      await start(watched)
      // What ends in a child has not failed there.
      for (const event of ['createError', 'hookError', 'destroy'] as const) {
        watched.pool.on(event, (details) => told.push(details))
      }
      // What the parent has to write is written after one turn of the event loop. In the second the loop learns what its
      // sockets wait for now: libuv aborts a child that is forked before, if it still has the socket.
      for (let turn = 0; turn < 2; turn++) await new Promise(setImmediate)
      const child = await fork(
        async () => {
          inherit()
          const mark = await proxy.mark()
          await sleep(TIMER_MILLIS + 50)
          return {
            inherited: fired.inherited,
            told,
            said: fromClient(await proxy.records({ since: mark })),
            size: watched.pool.stats.size,
          }
        },
        { afterFork: notice === 'hooked' },
      )
      const before = fired.own
      // Meanwhile the parent does nothing at all: what is said is said by the child.
      blockUntilEnded(child.pid)
      expect(await child.result).toEqual({
        inherited: notice === 'hooked' ? 0 : 1,
        told: ['fork'],
        said: [],
        size: 0,
      })
      await expect.poll(() => fired.own).toBeGreaterThan(before)
      expect(told).not.toContain('fork')
    })
  })
})
